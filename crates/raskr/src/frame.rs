//! Tables in partitions: read, filtered, grouped, joined and sorted within a limit of memory.
//!
//! A [`Frame`] is a plan; nothing is read before [`Frame::compute`] or [`Frame::write_csv`]. Missing values are null, also
//! those of floating-point columns.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use raskr_base::{ErrorClass, TaskError, Value};
use raskr_exec::{ForeignCodec, RunOptions, start};
use raskr_frame::arrow::array::RecordBatch;
use raskr_frame::arrow::csv::WriterBuilder;
use raskr_frame::arrow::datatypes::DataType;
use raskr_frame::{FrameError, Plan, Table, Tables, lower, table_of};
use raskr_graph::{Builder, PlanOptions};
use raskr_io::csv::{Column, Dialect, Parser};
use raskr_io::csv_table::{CsvFormat, CsvPart, CsvTable};
use raskr_io::text::{Compression, LineReader, Newline, TextOptions, TextSource};
use raskr_io::{IoError, Temporary};

pub use raskr_frame::{Binary, Expr, JoinKind, Measure, ScalarValue, SortKey, Statistic, arrow};

use crate::array::Options;
use crate::error::{Error, Result};

/// Bytes of a file that tell the types of its columns.
const SAMPLE: usize = 256 << 10;
/// Bytes of text of one partition, where files can be cut.
const BLOCK: u64 = 64 << 20;

/// A table in partitions, before it is computed.
///
/// ```
/// use raskr::frame::{Binary, Expr, Frame, Measure, ScalarValue, Statistic};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("flights.csv");
/// std::fs::write(&path, "dest,delay\nSFO,4\nLAX,\nSFO,6\nLAX,1\n")?;
/// let late = Expr::binary(Binary::Greater, Expr::column("delay"), Expr::Literal(ScalarValue::Float64(Some(2.0))));
/// let mean = Measure { name: "mean".into(), column: Some("delay".into()), statistic: Statistic::Mean };
/// let means = Frame::read_csv([&path])?.filter(late)?.group_by(["dest"], [mean])?.compute()?;
/// assert_eq!((means.num_rows(), means.num_columns()), (1, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Frame {
    plan: Arc<Plan>,
}

impl Frame {
    /// A table of batches in memory, each a partition; all have the columns of the first one.
    pub fn from_batches(batches: Vec<RecordBatch>) -> Result<Frame> {
        let Some(schema) = batches.first().map(RecordBatch::schema) else {
            return Err(expected("from_batches", "at least one batch", "none"));
        };
        if let Some(other) = batches.iter().find(|batch| batch.schema() != schema) {
            return Err(expected("from_batches", &format!("columns {schema}"), &other.schema().to_string()));
        }
        let tables = batches.into_iter().map(Table::of_batch).collect();
        Ok(Frame { plan: Plan::read(Tables::new("batches", schema, tables)) })
    }

    /// Files with one line of column names each, compressed or not, as the ending of their names tells. Types are told
    /// by the beginning of the first file: truths, integers, floats, texts; integers become floats where values are
    /// missing. Later values of another type are an error when they are read.
    pub fn read_csv<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Frame> {
        let paths: Vec<PathBuf> = paths.into_iter().map(|path| path.as_ref().to_path_buf()).collect();
        let Some(first) = paths.first() else {
            return Err(expected("read_csv", "at least one path", "none"));
        };
        let format = sampled(first)?;
        let mut parts = Vec::new();
        for path in paths {
            let compression = Compression::infer(&path);
            let size = std::fs::metadata(&path).map(|found| found.len()).unwrap_or_default();
            let blocks = if compression.is_some() { 1 } else { size.div_ceil(BLOCK).max(1) };
            for block in 0..blocks {
                let end = if block + 1 == blocks { u64::MAX } else { (block + 1) * BLOCK };
                let region = (blocks > 1).then_some(block * BLOCK..end);
                let newline = Newline::Text("\n".to_owned());
                let options = TextOptions { compression, newline, region, ..TextOptions::default() };
                let source = TextSource::File(path.clone());
                parts.push(CsvPart { source, options, has_header: block == 0, estimate: size / blocks });
            }
        }
        Ok(Frame { plan: Plan::read(Arc::new(CsvTable::new(parts, format))) })
    }

    /// The names and types of the columns.
    pub fn schema(&self) -> arrow::datatypes::SchemaRef {
        Arc::clone(self.plan.schema())
    }

    /// Columns made of those that there are.
    pub fn select<N: Into<String>>(&self, columns: impl IntoIterator<Item = (N, Expr)>) -> Result<Frame> {
        let columns = columns.into_iter().map(|(name, expr)| (name.into(), expr)).collect();
        Ok(Frame { plan: self.plan.project(columns).map_err(built)? })
    }

    /// The rows that satisfy a condition.
    pub fn filter(&self, predicate: Expr) -> Result<Frame> {
        Ok(Frame { plan: self.plan.filter(predicate).map_err(built)? })
    }

    /// Figures of the rows of each group, the groups in order; rows without a key are left out.
    pub fn group_by<N: Into<String>>(
        &self,
        keys: impl IntoIterator<Item = N>,
        measures: impl IntoIterator<Item = Measure>,
    ) -> Result<Frame> {
        let keys: Vec<String> = keys.into_iter().map(Into::into).collect();
        let order = keys.iter().map(|key| ascending(key)).collect();
        let groups = self.plan.aggregate(keys, measures.into_iter().collect(), true).map_err(built)?;
        Ok(Frame { plan: groups.sort_whole(order).map_err(built)? })
    }

    /// Rows of this table and of another one with equal keys; the names of all columns differ.
    pub fn join(&self, right: &Frame, on: &[(&str, &str)], kind: JoinKind) -> Result<Frame> {
        let on = on.iter().map(|(own, other)| ((*own).to_owned(), (*other).to_owned())).collect();
        Ok(Frame { plan: self.plan.join(&right.plan, on, kind).map_err(built)? })
    }

    /// All rows in the order of some columns, missing values last.
    pub fn sort(&self, columns: &[&str]) -> Result<Frame> {
        let keys = columns.iter().map(|column| ascending(column)).collect();
        Ok(Frame { plan: self.plan.sort(keys).map_err(built)? })
    }

    /// What will be done, an operation a line.
    pub fn explain(&self) -> String {
        self.plan.explain()
    }

    /// Computes the table as one batch.
    pub fn compute(&self) -> Result<RecordBatch> {
        self.compute_with(&Options::new())
    }

    /// Computes the table as the options say.
    pub fn compute_with(&self, options: &Options) -> Result<RecordBatch> {
        let batches = self.partitions(options)?.iter().flat_map(|table| table.batches().to_vec()).collect();
        Table::new(self.schema(), batches).whole().map_err(built)
    }

    /// Writes a file for each partition to a folder, `0.csv` and so on, each under its name when it is whole.
    pub fn write_csv(&self, folder: impl AsRef<Path>, options: &Options) -> Result<Vec<PathBuf>> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(|error| Error::from(system(folder, error)))?;
        let mut written = Vec::new();
        for (number, table) in self.partitions(options)?.iter().enumerate() {
            let path = folder.join(format!("{number}.csv"));
            let temporary = Temporary::beside(&path, true)?;
            let file = std::fs::File::create(temporary.path()).map_err(|error| Error::from(system(&path, error)))?;
            let mut writer = WriterBuilder::new().with_header(true).build(std::io::BufWriter::new(file));
            for batch in table.batches() {
                writer.write(batch).map_err(|error| built(FrameError::arrow("write_csv")(error)))?;
            }
            drop(writer);
            temporary.publish()?;
            written.push(path);
        }
        Ok(written)
    }

    fn partitions(&self, options: &Options) -> Result<Vec<Table>> {
        let run: RunOptions = options.for_run();
        let lowering = raskr_frame::Options { threads: run.threads, memory_limit: run.memory_limit, elsewhere: false };
        let calls = lower(std::slice::from_ref(&self.plan), lowering).map_err(built)?;
        let mut builder = Builder::new();
        for call in calls.iter().flatten() {
            let task = builder.call(call)?;
            builder.output(task);
        }
        let plan = raskr_graph::Plan::from_graph(builder.finish(), PlanOptions::default())?;
        let run = RunOptions { codec: Arc::new(TableCodec), ..run };
        let outcome = start(plan, run).wait(None);
        let values: Vec<Value> = outcome.unwrap_or_else(|| Err(raskr_exec::RunError::Cancelled))?;
        values.iter().map(|value| table_of(value).map_err(built)).collect()
    }
}

/// Reads spilled tables back.
struct TableCodec;

impl ForeignCodec for TableCodec {
    fn decode(&self, kind: &str, bytes: Vec<u8>) -> std::result::Result<Arc<dyn raskr_base::Foreign>, TaskError> {
        if kind != raskr_frame::KIND {
            return Err(TaskError::internal(format!("a table was expected among spilled values, got {kind}")));
        }
        Ok(Arc::new(Table::decode(&bytes)?))
    }
}

fn ascending(column: &str) -> SortKey {
    SortKey { column: column.to_owned(), descending: false, missing_first: false }
}

fn built(error: FrameError) -> Error {
    Error::Lower(error.into())
}

fn expected(operation: &str, expected: &str, got: &str) -> Error {
    Error::Lower(TaskError::new(ErrorClass::Value, format!("{operation}: expected {expected}, got {got}")))
}

fn system(path: &Path, source: std::io::Error) -> IoError {
    IoError::System { path: path.to_path_buf(), doing: "write", source }
}

/// The format of files like the one whose beginning is looked at.
fn sampled(path: &Path) -> Result<CsvFormat> {
    let options = TextOptions {
        compression: Compression::infer(path),
        newline: Newline::Text("\n".to_owned()),
        ..TextOptions::default()
    };
    let mut reader = LineReader::open(&TextSource::File(path.to_path_buf()), &options)?;
    let mut text = Vec::new();
    while text.len() < SAMPLE {
        match reader.next_text()? {
            Some(more) => text.extend_from_slice(more),
            None => break,
        }
    }
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    let header = text[..end].strip_suffix(b"\r").unwrap_or(&text[..end]).to_vec();
    let names: Vec<String> =
        String::from_utf8_lossy(&header).split(',').map(|name| name.trim_matches('"').to_owned()).collect();
    // The last line may be cut.
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(end, |last| last + 1);
    let rows = &text[(end + 1).min(whole)..whole];
    let columns = names.iter().enumerate().map(|(position, name)| {
        let fits = [DataType::Boolean, DataType::Int64, DataType::Float64]
            .into_iter()
            .find(|kind| fits(rows, names.len(), position, kind));
        Column { position, name: name.clone(), data_type: fits.unwrap_or(DataType::Utf8View) }
    });
    let columns = columns.collect();
    Ok(CsvFormat { dialect: Dialect::default(), header: Some(header), width: names.len(), columns, row_numbers: None })
}

/// Are all values of a column of a type?
fn fits(rows: &[u8], width: usize, position: usize, kind: &DataType) -> bool {
    let column = Column { position, name: String::new(), data_type: kind.clone() };
    let parsed = Parser::new(Dialect::default(), width, vec![column], 1, 0, SAMPLE).and_then(|mut parser| {
        parser.push(rows)?;
        parser.finish()
    });
    parsed.is_ok()
}
