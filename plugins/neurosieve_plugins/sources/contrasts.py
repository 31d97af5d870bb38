"""Records with several texts to compare, such as a right and a wrong answer, as one record for each."""

from collections.abc import Iterable, Iterator, Sequence

from neurosieve_plugins.records import Record, RecordError, value_of

__all__ = ["CONTRASTED", "one_per_field"]

CONTRASTED = "contrasted"
"""The field with the one text of a record that `one_per_field` yields."""


def one_per_field(
    records: Iterable[Record | RecordError], fields: Sequence[str], setting: str
) -> Iterator[Record | RecordError]:
    """Yield a record for each of some fields of each record: with that field's value in `contrasted`.

    In place of these fields it has `field`, the name of the one, and `pair`, which the records made of one share. Ids
    begin with the name of the field. A record that lacks one of the fields is an error as a whole, which points at the
    `setting` that names them.

    >>> record = Record({"question": "1 + 1?", "right": "2", "wrong": "3"}, 7, "record 7 of answers.jsonl")
    >>> first, second = one_per_field([record], ["right", "wrong"], "source.contrast_fields")
    >>> second.prefix, dict(second.fields)
    ('wrong/', {'question': '1 + 1?', 'field': 'wrong', 'pair': '7', 'contrasted': '3'})
    """
    for record in records:
        if isinstance(record, RecordError):
            yield record
            continue
        try:
            values = {name: value_of(record, setting, name) for name in fields}
        except RecordError as error:
            yield error
            continue
        others = {name: value for name, value in record.fields.items() if name not in fields}
        pair = f"{record.prefix}{record.number}"
        for name, value in values.items():
            own = {"field": name, "pair": pair, CONTRASTED: value}
            yield record._replace(fields=others | own, prefix=f"{record.prefix}{name}/")
