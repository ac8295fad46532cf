from oddspipe.ext._fold_state import FoldState, FoldTables, Found, Rows

def run(
    tables: FoldTables, state: FoldState, rows: Rows, found: Found, span: tuple[int, int]
) -> int: ...
