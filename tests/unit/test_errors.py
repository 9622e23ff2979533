"""The documented table of errors is the code's."""

from pathlib import Path

from cni_bridge import errors

TABLE = Path(__file__).parents[2] / "docs/errors.md"


def test_the_documented_table_lists_every_error_with_its_code() -> None:
    classes = {
        (str(item.code), f"`{name}`")
        for name, item in vars(errors).items()
        if isinstance(item, type)
        and issubclass(item, errors.CniError)
        and item not in (errors.CniError, errors.Delegated)
    }
    rows = {
        tuple(cell.strip() for cell in line.split("|")[1:3])
        for line in TABLE.read_text().splitlines()
        if line.startswith("| ") and line.split("|")[1].strip().isdecimal()
    }
    assert rows == classes


def test_a_message_and_its_details_are_kept_apart() -> None:
    error = errors.NameTaken("what", "why")
    assert (error.code, error.msg, error.details, str(error)) == (112, "what", "why", "what")
