//! Tables as Rust programs use them: files to files, with errors that say what was wrong.

use raskr::ErrorClass;
use raskr::array::Options;
use raskr::frame::arrow::array::AsArray;
use raskr::frame::arrow::datatypes::{DataType, Float64Type, Int64Type};
use raskr::frame::{Binary, Expr, Frame, JoinKind, Measure, ScalarValue, Statistic};

type Written = Result<(tempfile::TempDir, std::path::PathBuf), std::io::Error>;

fn written(name: &str, text: &str) -> Written {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(name);
    std::fs::write(&path, text)?;
    Ok((folder, path))
}

#[test]
fn types_are_told_by_the_first_rows() {
    let (_folder, path) = written("a.csv", "n,x,ok,t\n1,0.5,True,a\n2,,False,\n").unwrap();
    let frame = Frame::read_csv([path]).unwrap();
    let kinds: Vec<DataType> = frame.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(kinds, [DataType::Int64, DataType::Float64, DataType::Boolean, DataType::Utf8View]);
    let rows = frame.compute().unwrap();
    assert_eq!(rows.num_rows(), 2);
    assert_eq!(rows.columns().iter().map(|column| column.null_count()).collect::<Vec<_>>(), [0, 1, 0, 1]);
}

#[test]
fn groups_joins_and_sorts_go_through_files() {
    let (folder, path) = written("a.csv", "k,v\n1,10\n2,20\n1,30\n3,40\n").unwrap();
    let (_other, names) = written("b.csv", "id,name\n1,one\n3,three\n").unwrap();
    let sum = Measure { name: "sum".into(), column: Some("v".into()), statistic: Statistic::Sum };
    let sums = Frame::read_csv([path]).unwrap().group_by(["k"], [sum]).unwrap();
    let joined = sums.join(&Frame::read_csv([names]).unwrap(), &[("k", "id")], JoinKind::Inner).unwrap();
    let out = folder.path().join("out");
    let paths = joined.sort(&["sum"]).unwrap().write_csv(&out, &Options::new().threads(2)).unwrap();
    let again = Frame::read_csv(paths).unwrap().compute().unwrap();
    let column = |name: &str| again.column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec();
    assert_eq!((column("k"), column("sum")), (vec![1, 3], vec![40, 40]));
    assert_eq!(again.column_by_name("name").unwrap().as_string_view().value(1), "three");
}

#[test]
fn filters_and_columns_are_made_row_by_row() {
    let (_folder, path) = written("a.csv", "x,y\n1.0,2.0\n,4.0\n3.0,4.0\n").unwrap();
    let above = Expr::binary(Binary::Greater, Expr::column("y"), Expr::Literal(ScalarValue::Int64(Some(3))));
    let share = Expr::binary(Binary::Divide, Expr::column("x"), Expr::column("y"));
    let made = Frame::read_csv([path]).unwrap().filter(above).unwrap().select([("share", share)]).unwrap();
    assert!(made.explain().contains("filter gt(y, 3)"));
    let rows = made.compute().unwrap();
    let shares = rows.column(0).as_primitive::<Float64Type>();
    assert_eq!(shares.iter().collect::<Vec<_>>(), [None, Some(0.75)]);
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(Frame::from_batches(Vec::new()).err().unwrap().class(), ErrorClass::Value);
    let (_folder, path) = written("a.csv", "x\n1\n").unwrap();
    let frame = Frame::read_csv([&path]).unwrap();
    let error = frame.filter(Expr::column("z")).err().unwrap();
    assert_eq!((error.class(), error.to_string().contains("\"z\"")), (ErrorClass::Key, true));
    std::fs::write(&path, "x\n1\ntwo\n").unwrap();
    let error = frame.compute().unwrap_err().to_string();
    assert!(
        error.contains("a.csv") && error.contains("\"x\" was expected to be Int64, found object (line 2)"),
        "{error}"
    );
    assert_eq!(Frame::read_csv([path.with_extension("no")]).err().unwrap().class(), ErrorClass::Os);
}
