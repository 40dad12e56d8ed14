"""scikit-learn's handwritten digits: 1797 images of 8 x 8 pixels, 10 classes."""

from __future__ import annotations

from snn.errors import ExportError

from .task import Task

SPLIT_SEED = 0


def digits() -> Task:
    """Stratified split 80/20 (seed 0): 1437 training and 360 test images, values 0 to 1."""
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ExportError("Task 'digits' comes with scikit-learn: pip install 'localspike[demo]'.") from error
    data = load_digits()
    x, x_test, y, y_test = train_test_split(
        data.data / 16.0, data.target, test_size=0.2, stratify=data.target, random_state=SPLIT_SEED
    )
    return Task("digits", x, y, x_test, y_test)
