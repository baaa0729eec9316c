//! `FramePlan`: what a table is made of, as Python builds it, and the nodes of its partitions.

use std::ffi::OsString;
use std::sync::Arc;

use pyo3::exceptions::{PyNotImplementedError, PyValueError};
use pyo3::prelude::*;
use raskr_frame::{
    Columns, FrameError, JoinKind, Measure, Options, PartitionReader, Plan, SortKey, Statistic, Way, explain_stages,
    lower,
};

use raskr_graph::Input;
use raskr_io::csv::{Column, Dialect};
use raskr_io::csv_table::{CsvFormat, CsvPart, CsvTable};
use raskr_io::objects::{ObjectFile, StoreOptions};
use raskr_io::parquet_table::{ParquetColumn, ParquetFile, ParquetPart, ParquetPiece, ParquetTable};

use super::expr::{FrameExpr, data_type, name_of};
use super::reader::{CarefulReader, PythonReader, Recipe};
use super::table::{schema_of, table_of};
use crate::error::to_python;
use crate::node::Node;
use crate::text::{TextFile, released};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FramePlan>()?;
    module.add_function(wrap_pyfunction!(frame_columns, module)?)?;
    module.add_function(wrap_pyfunction!(frame_nodes, module)?)?;
    module.add_function(wrap_pyfunction!(frame_stages, module)?)
}

/// Files of a partition with the numbers of row groups, all of them if none are given, and the partition's bytes once read.
type ParquetFiles = (Vec<(OsString, Option<Vec<usize>>)>, u64);

/// A table in partitions.
#[pyclass(frozen, module = "raskr._core")]
#[derive(Clone)]
pub struct FramePlan {
    pub(super) plan: Arc<Plan>,
}

fn checked(py: Python<'_>, plan: Result<Arc<Plan>, FrameError>) -> PyResult<FramePlan> {
    plan.map(|plan| FramePlan { plan }).map_err(|error| to_python(py, error.into()))
}

fn sort_keys(keys: Vec<(String, bool, bool)>) -> Vec<SortKey> {
    keys.into_iter().map(|(column, descending, missing_first)| SortKey { column, descending, missing_first }).collect()
}

#[pymethods]
impl FramePlan {
    /// Partitions that `function(number, columns)` gives as tables with `__arrow_c_stream__`; `schema` has
    /// `__arrow_c_schema__`, `estimates` are bytes of each partition.
    #[staticmethod]
    fn read_python(
        py: Python<'_>,
        name: String,
        schema: &Bound<'_, PyAny>,
        function: Py<PyAny>,
        estimates: Vec<u64>,
    ) -> PyResult<FramePlan> {
        let reader = PythonReader::new(py, name, schema_of(schema)?, function, estimates);
        Ok(FramePlan { plan: Plan::read(reader) })
    }

    /// Files of delimited text. `files` are texts, whether they begin with the header, and their bytes once read;
    /// `columns` are names, places in the file and types, of which the last one is the column of row numbers. What is not
    /// as it should be is read by `again(number, columns)`.
    #[staticmethod]
    #[allow(clippy::too_many_arguments)]
    fn read_csv(
        py: Python<'_>,
        files: Vec<(Py<TextFile>, bool, u64)>,
        columns: Vec<(String, usize, String)>,
        width: usize,
        header: Option<String>,
        separator: char,
        missing: Vec<String>,
        again: Py<PyAny>,
    ) -> PyResult<FramePlan> {
        let given = (&files, &columns, width, &header, separator, &missing);
        let recipe = Recipe { method: "read_csv", arguments: given.into_pyobject(py)?.unbind() };
        let delimiter = u8::try_from(separator)
            .map_err(|_| PyNotImplementedError::new_err(format!("separator {separator:?} is not native")))?;
        let mut all = columns
            .into_iter()
            .map(|(name, position, kind)| Ok(Column { position, name, data_type: data_type(&kind)? }))
            .collect::<PyResult<Vec<_>>>()?;
        let row_numbers = all.pop().map(|column| column.name);
        let dialect = Dialect { delimiter, missing, ..Dialect::default() };
        let header = header.map(String::into_bytes);
        let format = CsvFormat { dialect, header, width, columns: all, row_numbers };
        let estimates = files.iter().map(|(_, _, estimate)| *estimate).collect();
        let parts = files.iter().map(|(file, has_header, estimate)| CsvPart {
            source: file.get().source.clone(),
            options: file.get().options.clone(),
            has_header: *has_header,
            estimate: *estimate,
        });
        let native = Arc::new(CsvTable::new(parts.collect(), format));
        let python = PythonReader::new(py, "read-csv".to_owned(), native.schema(), again, estimates);
        Ok(FramePlan { plan: Plan::read(CarefulReader::new(native, python, recipe)) })
    }

    /// Parquet files, here or, as URLs, in an object store whose options are `objects`. `parts` are partitions: paths with the numbers of row groups, and their bytes once
    /// read; `columns` are names, names in the files and types; `row_numbers` is a further column. What is not as it should
    /// be is read by `again(number, columns)`.
    #[staticmethod]
    fn read_parquet(
        py: Python<'_>,
        parts: Vec<ParquetFiles>,
        columns: Vec<(String, String, String)>,
        row_numbers: Option<&str>,
        objects: Option<StoreOptions>,
        again: Py<PyAny>,
    ) -> PyResult<FramePlan> {
        let given = (&parts, &columns, row_numbers, &objects);
        let recipe = Recipe { method: "read_parquet", arguments: given.into_pyobject(py)?.unbind() };
        let estimates = parts.iter().map(|(_, estimate)| *estimate).collect();
        let file = |path: OsString| match &objects {
            None => Ok(ParquetFile::Local(path.into())),
            Some(options) => {
                released(py, || ObjectFile::find(&path.to_string_lossy(), options)).map(ParquetFile::Object)
            }
        };
        let parts = parts.into_iter().map(|(pieces, estimate)| {
            let pieces =
                pieces.into_iter().map(|(path, row_groups)| Ok(ParquetPiece { file: file(path)?, row_groups }));
            Ok(ParquetPart { pieces: pieces.collect::<PyResult<_>>()?, estimate })
        });
        let columns = columns
            .into_iter()
            .map(|(name, in_file, kind)| Ok(ParquetColumn { name, in_file, data_type: data_type(&kind)? }))
            .collect::<PyResult<Vec<_>>>()?;
        let native = Arc::new(ParquetTable::new(parts.collect::<PyResult<_>>()?, columns, row_numbers));
        let python = PythonReader::new(py, "read-parquet".to_owned(), native.schema(), again, estimates);
        Ok(FramePlan { plan: Plan::read(CarefulReader::new(native, python, recipe)) })
    }

    /// Columns by name and NumPy's name of their type.
    #[getter]
    fn columns(&self) -> Vec<(String, String)> {
        let fields = self.plan.schema().fields();
        fields.iter().map(|field| (field.name().clone(), name_of(field.data_type()))).collect()
    }

    /// Bytes of the sources below, 0 when unknown.
    #[getter]
    fn estimate(&self) -> u64 {
        self.plan.estimate()
    }

    fn project(&self, py: Python<'_>, columns: Vec<(String, PyRef<'_, FrameExpr>)>) -> PyResult<FramePlan> {
        let columns = columns.into_iter().map(|(name, expr)| (name, expr.expr.clone())).collect();
        checked(py, self.plan.project(columns))
    }

    fn filter(&self, py: Python<'_>, predicate: &FrameExpr) -> PyResult<FramePlan> {
        checked(py, self.plan.filter(predicate.expr.clone()))
    }

    /// Groups of `keys`; `measures` are `(name, column, statistic, ddof)`.
    fn aggregate(
        &self,
        py: Python<'_>,
        keys: Vec<String>,
        measures: Vec<(String, Option<String>, String, u8)>,
        drop_missing: bool,
    ) -> PyResult<FramePlan> {
        let unknown = |name: &str| PyNotImplementedError::new_err(format!("{name} is not done natively"));
        let measures = measures
            .into_iter()
            .map(|(name, column, statistic, ddof)| {
                let statistic = Statistic::from_name(&statistic, ddof).ok_or_else(|| unknown(&statistic))?;
                Ok(Measure { name, column, statistic })
            })
            .collect::<PyResult<Vec<_>>>()?;
        checked(py, self.plan.aggregate(keys, measures, drop_missing))
    }

    /// Rows of both with equal keys; `on` are pairs of names. Which side goes whole to all partitions of the other, or `exchange`, is
    /// told by `way`, or `chosen`.
    fn join(
        &self,
        py: Python<'_>,
        right: &FramePlan,
        on: Vec<(String, String)>,
        how: &str,
        way: &str,
    ) -> PyResult<FramePlan> {
        let kind = JoinKind::from_name(how)
            .ok_or_else(|| PyValueError::new_err(format!("how: {how:?} is no kind of join")))?;
        let way = Way::from_name(way)
            .ok_or_else(|| PyValueError::new_err(format!("way: {way:?} is no way for the sides of a join to meet")))?;
        checked(py, self.plan.join_by(&right.plan, on, kind, way))
    }

    /// Rows in the order of `keys`: names, descending, missing values first. `bounds`, an array of an Arrow library as a
    /// table of one column, are values of the first key where partitions begin.
    #[pyo3(signature = (keys, bounds=None))]
    fn sort(
        &self,
        py: Python<'_>,
        keys: Vec<(String, bool, bool)>,
        bounds: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<FramePlan> {
        let keys = sort_keys(keys);
        let Some(bounds) = bounds else { return checked(py, self.plan.sort(keys)) };
        let schema = schema_of(&bounds.getattr("schema")?)?;
        let found = table_of(bounds, &schema)?.whole().map_err(|error| to_python(py, error.into()))?;
        let column = found.columns().first().cloned();
        let column = column.ok_or_else(|| PyValueError::new_err("bounds: expected a table of one column, got none"))?;
        checked(py, self.plan.sort_at(keys, column))
    }

    /// Rows in the order of `keys`, in one partition.
    fn sort_whole(&self, py: Python<'_>, keys: Vec<(String, bool, bool)>) -> PyResult<FramePlan> {
        checked(py, self.plan.sort_whole(sort_keys(keys)))
    }

    /// The same rows in so many partitions.
    fn regroup(&self, partitions: u32) -> FramePlan {
        FramePlan { plan: self.plan.regroup(partitions) }
    }

    fn explain(&self) -> String {
        self.plan.explain()
    }

    fn __repr__(&self) -> String {
        format!("FramePlan({})", self.plan.line())
    }
}

impl FramePlan {
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }
}

fn plans_of(plans: &[PyRef<'_, FramePlan>]) -> Vec<Arc<Plan>> {
    plans.iter().map(|plan| Arc::clone(&plan.plan)).collect()
}

/// The partitions of plans, a list of nodes each; what they share is computed once. Tasks that are done `elsewhere` read
/// nothing that only this process has.
#[pyfunction]
fn frame_nodes(
    py: Python<'_>,
    plans: Vec<PyRef<'_, FramePlan>>,
    threads: usize,
    memory_limit: Option<u64>,
    elsewhere: bool,
) -> PyResult<Vec<Vec<Node>>> {
    let plans = plans_of(&plans);
    let lowered = py.detach(|| {
        crate::allocator::give_back();
        lower(&plans, Options { threads, memory_limit, elsewhere })
    });
    let lowered = lowered.map_err(|error| to_python(py, error.into()))?;
    Ok(lowered.into_iter().map(|calls| calls.into_iter().map(Node::of_call).collect()).collect())
}

/// The columns of tables, given as nodes, one behind the other, `count` in number; the numbers of rows within their tables
/// behind them if `numbered`. A node for each column, or one for all of them if `together`. `size` is in bytes.
#[pyfunction]
fn frame_columns(tables: Vec<PyRef<'_, Node>>, count: usize, numbered: bool, together: bool, size: u64) -> Vec<Node> {
    let inputs: Vec<Input> = tables.iter().map(|table| table.input().clone()).collect();
    let made: Vec<Columns> = match together {
        true => vec![Columns::All { count, numbered }],
        false => (0..count).map(Columns::One).chain(numbered.then_some(Columns::Numbers)).collect(),
    };
    let each = size / made.len().max(1) as u64;
    made.into_iter().map(|columns| Node::of_call(columns.call(inputs.clone(), each))).collect()
}

/// The stages of plans, and what DataFusion does in them, as text.
#[pyfunction]
fn frame_stages(
    py: Python<'_>,
    plans: Vec<PyRef<'_, FramePlan>>,
    threads: usize,
    memory_limit: Option<u64>,
) -> PyResult<String> {
    let options = Options { threads, memory_limit, elsewhere: false };
    explain_stages(&plans_of(&plans), options).map_err(|error| to_python(py, error.into()))
}
