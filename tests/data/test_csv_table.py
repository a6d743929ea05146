from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import UserError
from harness.data.csv_table import breast_cancer, read_csv

HEAD = "a,b,y\n"


@pytest.fixture
def csv_file(tmp_path):
    def write(content):
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_the_breast_cancer_data_are_scikit_learns():
    table = breast_cancer()
    assert (table.features.shape, table.features.dtype, len(table.columns)) == ((569, 30), np.float32, 30)
    assert (table.classes, table.labels.tolist().count(0)) == (("malignant", "benign"), 212)


def test_the_last_column_holds_the_labels_and_words_are_in_the_order_of_the_alphabet(csv_file):
    table = read_csv(csv_file("a,b,kind\n1,2.5,dog\n3,-4,cat\n5,1e3,dog\n"))
    assert table.features.tolist() == [[1, 2.5], [3, -4], [5, 1000]]
    assert (table.labels.tolist(), table.classes, table.columns) == ([1, 0, 1], ("cat", "dog"), ("a", "b"))


def test_another_column_can_be_the_target(csv_file):
    table = read_csv(csv_file("kind,a,b\ndog,1,2\ncat,3,4\n"), target="kind")
    assert (table.labels.tolist(), table.columns, table.features.tolist()) == ([1, 0], ("a", "b"), [[1, 2], [3, 4]])


def test_whole_numbers_are_classes_in_their_own_order(csv_file):
    table = read_csv(csv_file(HEAD + "1,2,10\n3,4,9\n5,6,-1\n"))
    assert (table.labels.tolist(), table.classes) == ([2, 1, 0], ("-1", "9", "10"))


@pytest.mark.parametrize(
    "content",
    [
        "1,2,dog\n3,4,cat\n",
        "\ufeff1,2,dog\r\n3,4,cat\r\n",
        "1, 2, dog\n\n3, 4, cat \n\n",
        '"1","2","dog"\n"3","4","cat"\n',
    ],
)
def test_a_first_row_with_a_number_is_data(csv_file, content):
    table = read_csv(csv_file(content))
    assert (table.features.tolist(), table.labels.tolist()) == ([[1, 2], [3, 4]], [1, 0])
    assert (table.classes, table.columns) == (("cat", "dog"), ("column 1", "column 2"))


def test_what_pandas_would_take_for_missing_may_be_a_label(csv_file):
    assert read_csv(csv_file(HEAD + "1,2,NA\n3,4,None\n")).classes == ("NA", "None")


def test_quotes_keep_commas(csv_file):
    assert read_csv(csv_file(HEAD + '1,2,"c, x"\n3,4,d\n')).classes == ("c, x", "d")


def test_one_number_is_one_class_however_it_is_written(csv_file):
    table = read_csv(csv_file(HEAD + "1,2,1\n3,4,1.0\n5,6,2.0\n7,8,+1\n"))
    assert (table.labels.tolist(), table.classes) == ([0, 0, 1, 0], ("1", "2.0"))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("1582218195625938946", "1582218195625938945"), ("1582218195625938945", "1582218195625938946")),
        (("1", "01", "2"), ("01", "1", "2")),
        (("1.0", "01", "1"), ("01", "1", "1.0")),
        (("inf", "1"), ("1", "inf")),
        (("1_0", "10"), ("10", "1_0")),
        (("1e3", "1000", "-0", "0"), ("0", "1e3")),
        (("1e9999", "2"), ("2", "1e9999")),
    ],
)
def test_labels_are_their_text_and_only_equal_numbers_are_merged(csv_file, labels, classes):
    table = read_csv(csv_file(HEAD + "".join(f"1,2,{label}\n" for label in labels)))
    assert table.classes == classes
    merged = {"1000": "1e3", "-0": "0"}
    assert [table.classes[label] for label in table.labels] == [merged.get(label, label) for label in labels]


def test_a_header_with_a_number_is_one_where_it_names_the_target(csv_file):
    table = read_csv(csv_file("code,2019,kind\n1,2,c\n3,4,d\n"), target="kind")
    assert (table.columns, table.labels.tolist()) == (("code", "2019"), [0, 1])


REPEATED = "1,2,3,c\n4,5,6,d\n7,8,9,c\n1,1,1,d\n"


@pytest.mark.parametrize(
    ("first", "names"),
    [
        ("900,905,910,variety\n", ("900", "905", "910")),  # wavelengths
        ("0,1,2,kind\n", ("0", "1", "2")),  # as pandas numbers columns
        ("900,905,910,915\n", ("900", "905", "910")),
        ("x,905,910,variety\n", ("x", "905", "910")),
        ("2.5,1.5,3.5,c\n", ("column 1", "column 2", "column 3")),
        ("", ("column 1", "column 2", "column 3")),
    ],
)
def test_whether_the_first_row_holds_names_is_decided_by_whole_columns(csv_file, first, names):
    table = read_csv(csv_file(first + REPEATED))
    assert table.columns == names
    assert table.classes == ("c", "d")
    assert len(table.labels) == 4 + (names[0] == "column 1" and first != "")
    assert ("row 1 holds the names" in table.reading) == (names[0] != "column 1")


def test_whether_the_first_row_holds_names_can_be_said(csv_file):
    with_names = read_csv(csv_file("7,8,9,c\n" + REPEATED), header="yes")
    assert with_names.columns == ("7", "8", "9") and len(with_names.labels) == 4
    without = read_csv(csv_file("900,905,910,variety\n" + REPEATED), header="no")
    assert without.classes == ("c", "d", "variety") and len(without.labels) == 5


@pytest.mark.parametrize("target", ["1", "column 1"])
def test_a_target_without_names_is_a_number_of_a_column(csv_file, target):
    table = read_csv(csv_file("c,1,2\nd,3,4\nc,5,6\n"), target=target)
    assert (table.classes, table.columns) == (("c", "d"), ("column 2", "column 3"))
    assert table.reading == "table.csv: no row of names; the label is 'column 1', the features are column 2, column 3"


def test_the_line_that_spreadsheets_write_first_is_no_row(csv_file):
    table = read_csv(csv_file("sep=,\n" + HEAD + "1,2,c\n3,4,d\n"))
    assert (table.columns, table.features.tolist()) == (("a", "b"), [[1, 2], [3, 4]])
    assert table.reading.startswith("table.csv: row 2 holds the names; ")


def test_values_that_float32_would_merge_stay_apart(csv_file):
    """Milliseconds since 1970, one apart from the next by 100."""
    rows = "".join(f"{1_700_000_000_000 + 100 * n},{n},{'cd'[n % 2]}\n" for n in range(300))
    table = read_csv(csv_file(HEAD + rows))
    assert table.features.dtype == np.float64
    assert len(np.unique(table.features[:, 0])) == 300
    assert table.notes == ()
    assert read_csv(csv_file(HEAD + "2019,0.1,c\n2020,0.3,d\n")).features.dtype == np.float32


def test_a_column_whose_values_scaling_merges_is_named(csv_file):
    rows = "".join(f"{n / 1000},{n},{'cd'[n % 2]}\n" for n in range(300))
    table = read_csv(csv_file(HEAD + rows + "-1e12,1,c\n"))
    (note,) = table.notes
    assert note.startswith("column 'a' has 301 different values, but 2 once it is scaled to 0…1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEAD + "1,2,c\n3,,d\n", "row 3, column 'b' is empty: it should be a number"),
        ("1,2,c\n3,,d\n", "row 2, column 'column 2' is empty"),
        (
            HEAD + "1,2,c\n3,4,d\nx,4,d\n",
            "row 4, column 'a' is 'x': it should be a number up to 1.7e+38 in size; fill it in",
        ),
        (HEAD + "1,nan,c\n3,4,d\n", "row 2, column 'b' is 'nan'"),
        (HEAD + "1,True,c\n3,False,d\n", "row 2, column 'b' is True: it should be a number"),
        (HEAD + "1,2,c\n\n\n3,x,d\n", "row 5, column 'b' is 'x'"),
        (HEAD + "1,2,c\n3,4,NaN\n", "row 3, column 'y' is 'NaN': it should be a label"),
        ("code,2,c\n1,2,c\n3,4,d\n", "row 1, column 'column 1' is 'code': it should be a number"),
        ("code,2,c\n1,2,c\n3,4,d\n", "if row 1 holds names, say --header yes"),
        ("sep=|\na|b|y\n1|2|c\n", "is separated by '|': save it with tabs, ';' or commas"),
        (
            "a;b;y\n1,5;2,5;c\n3,5;4;d\n",
            "row 2, column 'a' is '1,5', with a decimal comma: write all numbers with a point",
        ),
        ("sep=,\n" + HEAD + "1,2,c\n3,x,d\n", "row 4, column 'b' is 'x'"),
        ("0,1,2,kind\n1,2,3,c\n3,4,5,d\n", "its first row is 0, 1, 2, …, as pandas numbers columns"),
        (HEAD + "1,?,c\n3,4,d\n", "row 2, column 'b' is '?'"),
        (HEAD + "1,inf,c\n3,4,d\n", "row 2, column 'b' is inf"),
        (HEAD + "1,1e300,c\n3,4,d\n", "row 2, column 'b' is 1e+300"),
        (HEAD + '"1,000",2,c\n3,4,d\n', "row 2, column 'a' is '1,000'"),
        (HEAD + "1,2,c\n3,4, \n", "row 3, column 'y' is empty: it should be a label"),
        (HEAD + "1,2,c\n3,4\n", "row 3 has 2 values: it should have 3, one per column"),
        (HEAD + "1,2,c\n3,d\n", "row 3 has 2 values: it should have 3, one per column"),
        ("y,a,b\nc,1,2\nd,3,4\n", "row 2, column 'y' is 'c': it should be a number"),
        ("y,a,b\nc,1,2\nd,3,4\n", "if these are the labels, name the column as the target"),
        (HEAD + "1,2,0.5\n3,4,1\n", "row 2, column 'y' is 0.5: labels should be words or whole numbers"),
        (HEAD + "1,2,c\n3,4,c\n", "column 'y' holds 'c' only: there should be two classes or more"),
        (
            HEAD + "1,2,c\n3,4,5,d\n",
            "is no whole table: Expected 3 fields in line 3, saw 4; each row should have 3 values",
        ),
        (HEAD + "1,2,3,c\n3,4,5,d\n", "is no whole table: rows have more values than the 3 columns"),
        (HEAD + '1,2,"c\n3,4,d\n', "is no whole table: EOF inside string"),
        ("a,a,y\n1,2,c\n3,4,d\n", "two columns are called 'a'"),
        (",a,y\n0,2,c\n1,4,d\n", "column 1 has no name; if it holds row numbers"),
        ("a|b|y\n1|2|c\n", "has one column: it should have features and a label, separated by tabs, ';' or commas"),
        ("", "is empty"),
        (HEAD, "has no rows of data"),
        (HEAD.encode() + b"1,2,caf\xe9\n3,4,d\n", "is no text in UTF-8"),
        (HEAD + "1,2\x00,c\n3,4,d\n", "row 2, column 'b' is"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused_by_row_and_column(csv_file, content, message):
    with pytest.raises(UserError) as refusal:
        read_csv(csv_file(content))
    assert message in str(refusal.value) and "table.csv" in str(refusal.value)


def test_a_target_that_is_not_there_is_named(csv_file):
    with pytest.raises(UserError, match=r"target is 'z': the columns of .* are a, b, y"):
        read_csv(csv_file(HEAD + "1,2,c\n3,4,d\n"), target="z")
    with pytest.raises(UserError, match=r"target is 'z', but .* has no header"):
        read_csv(csv_file("1,2,c\n3,4,d\n"), target="z")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*nowhere.csv \(No such file or directory\)"):
        read_csv(tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="Is a directory"):
        read_csv(tmp_path)
    with pytest.raises(UserError, match="/dev/zero is a device or a pipe"):
        read_csv(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("separator", "reading"), [(";", "separated by ';'; "), ("\t", "separated by tabs; "), (",", "")]
)
@pytest.mark.parametrize("first", ["", "sep={}\n"])
def test_the_separator_is_found_and_told(tmp_path, separator, reading, first):
    rows = [["id", "a", "b", "y"], ["1", "1.5", "2", "c, d"], ["2", "3", "4", "e; f"]]
    path = tmp_path / "t.csv"
    cells = [separator.join(cell if separator not in cell else f'"{cell}"' for cell in row) for row in rows]
    path.write_text(first.format(separator) + "\n".join(cells))
    table = read_csv(path, ignored=["id"])
    assert table.features.tolist() == [[1.5, 2.0], [3.0, 4.0]]
    assert table.classes == ("c, d", "e; f") and table.columns == ("a", "b")
    row = 2 if first else 1
    assert table.reading == (
        f"t.csv: {reading}row {row} holds the names; the label is 'y', the features are a, b; ignored: id"
    )


def test_ignored_columns_are_left_out_and_the_last_of_the_others_is_the_label(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("1,2,c,9\n3,4,d,8\n")
    table = read_csv(path, ignored=["column 4", "1"])
    assert (table.features.tolist(), table.classes) == ([[2.0], [4.0]], ("c", "d"))
    for ignored, message in [
        (["5"], "ignore is '5', but .* has no header"),
        (["3", "4", "1", "2"], "ignore is 'column 4': that is the target"),
        (["1", "2", "4"], "no column is left to be a feature"),
    ]:
        with pytest.raises(UserError, match=message):
            read_csv(path, ignored=ignored)
    path.write_text("weight,y\n1,c\n2,d\n")
    with pytest.raises(UserError, match=r"ignore is 'wieght': did you mean weight\? the columns of"):
        read_csv(path, ignored=["wieght"])


@pytest.mark.parametrize(
    ("text", "columns", "classes"),
    [
        ("1,2,a;b\n3,4,c;d\n", 2, ("a;b", "c;d")),  # no header, and a label with the other separator
        ('1,"a;b"\n2,"c;d"\n', 1, ("a;b", "c;d")),
        ("x;y;k\n1,5;2,5;c\n", None, "decimal comma"),
        ("x;y;k\n1;2;c\n3;4;d\n5;6;c;;\n", None, "no whole table"),
    ],
)
def test_a_separator_is_not_taken_from_cells(tmp_path, text, columns, classes):
    path = tmp_path / "t.csv"
    path.write_text(text)
    if columns is None:
        with pytest.raises(UserError, match=classes):
            read_csv(path)
        return
    table = read_csv(path)
    assert (table.features.shape[1], table.classes) == (columns, classes)


def test_the_label_that_decides_whether_there_are_names_is_not_an_ignored_column(tmp_path):
    """As in a table of wavelengths whose last column numbers the rows."""
    path = tmp_path / "t.csv"
    path.write_text("900,905,910,variety,id\n" + "".join(f"{n},{n},{n},{'ab'[n % 2]},{n}\n" for n in range(12)))
    table = read_csv(path, ignored=["id"])
    assert (table.columns, table.classes) == (("900", "905", "910"), ("a", "b"))
    path.write_text("900,905,910,variety,7\n" + "".join(f"{n},{n},{n},{'ab'[n % 2]},{n}\n" for n in range(12)))
    assert read_csv(path, ignored=["7"]).columns == ("900", "905", "910")
