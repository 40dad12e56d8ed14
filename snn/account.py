def ledger_of(*a, **k):
    return None
