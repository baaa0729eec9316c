//! `ParquetTable`: row groups of Parquet files as the partitions of a table, decoded batch by batch.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::reader::ChunkReader;
use raskr_base::TaskContext;
use raskr_frame::arrow::array::{ArrayRef, RecordBatch};
use raskr_frame::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use raskr_frame::{Batches, Condition, FrameError, PartitionReader, without_nan};

use crate::objects::{Fetched, ObjectFile};
use crate::row_numbers::{RowNumbers, schema_with};

/// Rows of a batch: what is made of them stays in the cache.
const BATCH_ROWS: usize = 8192;

/// Where a file is.
#[derive(Clone)]
pub enum ParquetFile {
    Local(PathBuf),
    Object(ObjectFile),
}

impl ParquetFile {
    fn path(&self) -> &Path {
        match self {
            ParquetFile::Local(path) => path,
            ParquetFile::Object(file) => file.path(),
        }
    }
}

/// Row groups of a file.
#[derive(Clone)]
pub struct ParquetPiece {
    pub file: ParquetFile,
    /// Their numbers; `None` for all.
    pub row_groups: Option<Vec<usize>>,
}

/// One partition of a table.
#[derive(Clone)]
pub struct ParquetPart {
    pub pieces: Vec<ParquetPiece>,
    /// Estimated bytes of all its columns, once read.
    pub estimate: u64,
}

/// A column of a table, and the column of the files that it is.
#[derive(Clone, Debug)]
pub struct ParquetColumn {
    pub name: String,
    pub in_file: String,
    pub data_type: DataType,
}

/// Tables in Parquet files. What is not as the columns say is a [`FrameError::Doubt`].
#[derive(Clone)]
pub struct ParquetTable {
    parts: Arc<[ParquetPart]>,
    schema: SchemaRef,
    files: Arc<Files>,
    /// What the rows that are wanted satisfy.
    conditions: Arc<[Condition]>,
}

/// What the partitions have in common.
struct Files {
    columns: Vec<ParquetColumn>,
    /// What the footers of files say, once they were read.
    footers: Mutex<HashMap<PathBuf, ArrowReaderMetadata>>,
}

impl ParquetTable {
    /// `row_numbers` is the name of a further column that counts the rows of each partition from 0.
    pub fn new(parts: Vec<ParquetPart>, columns: Vec<ParquetColumn>, row_numbers: Option<&str>) -> ParquetTable {
        let own = columns.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true));
        let schema = schema_with(own, row_numbers);
        let files = Arc::new(Files { columns, footers: Mutex::default() });
        ParquetTable { parts: parts.into(), schema, files, conditions: Arc::default() }
    }
}

impl PartitionReader for ParquetTable {
    fn name(&self) -> &str {
        "read-parquet"
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn partitions(&self) -> u32 {
        self.parts.len() as u32
    }

    fn read(&self, partition: u32, columns: &[usize], _: &TaskContext<'_>) -> Result<Batches, FrameError> {
        let own = self.files.columns.len();
        Ok(Box::new(Reading {
            files: Arc::clone(&self.files),
            wanted: columns.iter().copied().filter(|&place| place < own).collect(),
            pieces: self.parts[partition as usize].pieces.iter().cloned().collect(),
            file: None,
            conditions: Arc::clone(&self.conditions),
            steps: VecDeque::new(),
            open: None,
            numbers: RowNumbers::among(columns, &self.schema, own)?,
        }))
    }

    fn with_conditions(&self, conditions: &[Condition]) -> Option<Arc<dyn PartitionReader>> {
        let all = self.conditions.iter().chain(conditions).cloned();
        Some(Arc::new(ParquetTable { conditions: all.collect(), ..self.clone() }))
    }

    fn estimate(&self, partition: u32) -> u64 {
        self.parts[partition as usize].estimate
    }
}

impl Files {
    /// What a file's footer says, with texts as views.
    fn footer(&self, file: &ParquetFile) -> Result<ArrowReaderMetadata, FrameError> {
        let path = file.path();
        if let Some(known) = self.footers.lock().get(path) {
            return Ok(known.clone());
        }
        let options = ArrowReaderOptions::new();
        let found = match file {
            ParquetFile::Local(path) => ArrowReaderMetadata::load(&File::open(path).map_err(doubt(path))?, options),
            ParquetFile::Object(file) => ArrowReaderMetadata::load(&Fetched::tail(file).map_err(doubt(path))?, options),
        };
        let found = found.map_err(doubt(path))?;
        let fields = found.schema().fields().iter().map(|field| {
            if is_text(field.data_type()) {
                Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
            } else {
                Arc::clone(field)
            }
        });
        let schema = Schema::new(fields.collect::<Vec<_>>()).with_metadata(found.schema().metadata().clone());
        let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
        let found = ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), options).map_err(doubt(path))?;
        self.footers.lock().insert(path.to_path_buf(), found.clone());
        Ok(found)
    }

    /// The row groups of a piece that may have rows which satisfy all conditions; and how many rows the others have.
    /// Neighbours are read together, but from stores, which give all that is wanted of a row group at once.
    fn steps(&self, piece: &ParquetPiece, conditions: &[Condition]) -> Result<VecDeque<Step>, FrameError> {
        let path = piece.file.path();
        let footer = self.footer(&piece.file)?;
        let groups = footer.metadata().row_groups();
        let numbers = piece.row_groups.clone().unwrap_or_else(|| (0..groups.len()).collect());
        let mut may_hold = vec![true; groups.len()];
        for condition in conditions {
            let in_file = self.columns.iter().find(|column| column.name == condition.column);
            let bounds = in_file.and_then(|column| {
                let schema = (footer.schema(), footer.parquet_schema());
                let converter = StatisticsConverter::try_new(&column.in_file, schema.0, schema.1).ok()?;
                Some((converter.row_group_mins(groups).ok()?, converter.row_group_maxes(groups).ok()?))
            });
            if let Some((least, greatest)) = bounds {
                let holds = |(group, all): (usize, &mut bool)| *all &= condition.may_hold(&least, &greatest, group);
                may_hold.iter_mut().enumerate().for_each(holds);
            }
        }
        let together = matches!(piece.file, ParquetFile::Local(_));
        let mut steps = VecDeque::new();
        for number in numbers {
            let group = groups.get(number).ok_or_else(|| doubt(path)(format!("there is no row group {number}")))?;
            match (may_hold[number], steps.back_mut()) {
                (true, Some(Step::Read(groups))) if together => groups.push(number),
                (true, _) => steps.push_back(Step::Read(vec![number])),
                (false, _) => steps.push_back(Step::Skip(group.num_rows())),
            }
        }
        Ok(steps)
    }

    fn open(&self, file: &ParquetFile, row_groups: Vec<usize>, wanted: &[usize]) -> Result<Open, FrameError> {
        let footer = self.footer(file)?;
        let path = file.path();
        let schema = footer.schema();
        let mut roots = Vec::with_capacity(wanted.len());
        for &place in wanted {
            let name = &self.columns[place].in_file;
            roots.push(schema.index_of(name).map_err(doubt(path))?);
        }
        // The columns come in the order of the file, each once.
        let mut order = roots.clone();
        order.sort_unstable();
        order.dedup();
        let places = roots.iter().map(|root| order.partition_point(|other| other < root)).collect();
        let mask = ProjectionMask::roots(footer.parquet_schema(), order);
        let batches = match file {
            ParquetFile::Local(path) => batches(File::open(path).map_err(doubt(path))?, footer, mask, row_groups),
            ParquetFile::Object(file) => {
                let ranges = ranges(&footer, &mask, &row_groups);
                batches(Fetched::ranges(file, ranges.into_iter()).map_err(doubt(path))?, footer, mask, row_groups)
            }
        };
        Ok(Open { batches: batches.map_err(doubt(path))?, places })
    }
}

fn batches<T: ChunkReader + 'static>(
    reader: T,
    footer: ArrowReaderMetadata,
    mask: ProjectionMask,
    row_groups: Vec<usize>,
) -> parquet::errors::Result<ParquetRecordBatchReader> {
    ParquetRecordBatchReaderBuilder::new_with_metadata(reader, footer)
        .with_projection(mask)
        .with_row_groups(row_groups)
        .with_batch_size(BATCH_ROWS)
        .build()
}

/// Where in the file the values of wanted columns are.
fn ranges(footer: &ArrowReaderMetadata, mask: &ProjectionMask, row_groups: &[usize]) -> Vec<Range<u64>> {
    let groups = row_groups.iter().map(|&number| footer.metadata().row_group(number));
    let columns = groups.flat_map(|group| group.columns().iter().enumerate());
    let wanted = columns.filter(|(leaf, _)| mask.leaf_included(*leaf)).map(|(_, column)| column.byte_range());
    wanted.map(|(start, length)| start..start + length).collect()
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn doubt<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> FrameError {
    move |error| FrameError::Doubt(format!("{}: {error}", path.display()))
}

/// What is done of a piece, one after another.
enum Step {
    /// Some row groups are read.
    Read(Vec<usize>),
    /// So many rows are passed over.
    Skip(i64),
}

/// A file of which batches are being read.
struct Open {
    batches: ParquetRecordBatchReader,
    /// Which of the batches' columns each of the wanted ones is.
    places: Vec<usize>,
}

struct Reading {
    files: Arc<Files>,
    /// Places of columns in the table.
    wanted: Vec<usize>,
    /// The file that is being read.
    file: Option<ParquetFile>,
    /// The pieces that are still to be looked at.
    pieces: VecDeque<ParquetPiece>,
    conditions: Arc<[Condition]>,
    /// What is still to be done of a piece.
    steps: VecDeque<Step>,
    open: Option<Open>,
    numbers: RowNumbers,
}

impl Reading {
    fn path(&self) -> &Path {
        self.file.as_ref().map_or(Path::new(""), ParquetFile::path)
    }

    fn step(&mut self) -> Result<Option<RecordBatch>, FrameError> {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(batch) = open.batches.next() {
                    let batch = batch.map_err(doubt(self.path()))?;
                    let columns = self.columns(&batch)?;
                    return self.numbers.batch(columns, batch.num_rows()).map(Some);
                }
                self.open = None;
            }
            match (self.steps.pop_front(), &self.file) {
                (Some(Step::Read(groups)), Some(file)) => {
                    self.open = Some(self.files.open(file, groups, &self.wanted)?);
                }
                (Some(Step::Skip(rows)), _) => self.numbers.skip(rows),
                _ => {
                    let Some(piece) = self.pieces.pop_front() else { return Ok(None) };
                    self.file = Some(piece.file.clone());
                    self.steps = self.files.steps(&piece, &self.conditions)?;
                }
            }
        }
    }

    /// The wanted columns of a batch in the types of the table, without NaN.
    fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, FrameError> {
        let Some(open) = &self.open else { return Ok(Vec::new()) };
        let made = self.wanted.iter().zip(&open.places).map(|(&place, &at)| {
            let (column, expected) = (batch.column(at), &self.files.columns[place]);
            if *column.data_type() == expected.data_type {
                return without_nan(Arc::clone(column)).map_err(doubt(self.path()));
            }
            let (name, wanted, got) = (&expected.in_file, &expected.data_type, column.data_type());
            Err(doubt(self.path())(format!("column {name:?}: expected values of type {wanted}, got {got}")))
        });
        made.collect()
    }
}

impl Iterator for Reading {
    type Item = Result<RecordBatch, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        // The decoder of damaged pages may reach what it takes for impossible.
        let found = catch_unwind(AssertUnwindSafe(|| self.step()));
        let found = found.unwrap_or_else(|_| Err(doubt(self.path())("a page is damaged")));
        if found.is_err() {
            self.open = None;
            self.steps.clear();
            self.pieces.clear();
        }
        found.transpose()
    }
}
