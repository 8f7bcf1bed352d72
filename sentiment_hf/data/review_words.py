"""What a review did, in words; apart from `data/reviewed.py`, for a report is shown without the libraries of data."""


def review_in_words(notes: dict) -> str:
    """rows dropped: 12 of train, 3 of validation; relabelled: 40 of train, 0 of validation; kept as they are: 7"""
    said = [
        f"{what}: {notes[what]['train']:,} of train, {notes[what]['validation']:,} of validation"
        for what in ("dropped", "relabelled")
    ]
    return f"rows {'; '.join(said)}; kept as they are: {notes['kept']:,}"
