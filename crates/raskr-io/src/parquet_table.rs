//! `ParquetTable`: row groups of Parquet files as the partitions of a table, decoded batch by batch.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use raskr_base::TaskContext;
use raskr_frame::arrow::array::{ArrayRef, RecordBatch};
use raskr_frame::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use raskr_frame::{Batches, FrameError, PartitionReader, without_nan};

use crate::row_numbers::RowNumbers;

/// Rows of a batch: what is made of them stays in the cache.
const BATCH_ROWS: usize = 8192;

/// Row groups of a file.
#[derive(Clone, Debug)]
pub struct ParquetPiece {
    pub path: PathBuf,
    /// Their numbers; `None` for all.
    pub row_groups: Option<Vec<usize>>,
}

/// One partition of a table.
#[derive(Clone, Debug)]
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

/// Tables in Parquet files on this machine. What is not as the columns say is a [`FrameError::Doubt`].
pub struct ParquetTable {
    parts: Vec<ParquetPart>,
    schema: SchemaRef,
    files: Arc<Files>,
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
        let numbers = row_numbers.map(|name| Field::new(name, DataType::Int64, true));
        let schema = Arc::new(Schema::new(own.chain(numbers).collect::<Vec<_>>()));
        ParquetTable { parts, schema, files: Arc::new(Files { columns, footers: Mutex::default() }) }
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
        let schema = self.schema.project(columns).map_err(FrameError::arrow("choosing columns"))?;
        let numbers = columns.iter().position(|&place| place >= self.files.columns.len());
        Ok(Box::new(Reading {
            files: Arc::clone(&self.files),
            wanted: columns.iter().copied().filter(|&place| place < self.files.columns.len()).collect(),
            pieces: self.parts[partition as usize].pieces.iter().cloned().collect(),
            open: None,
            numbers: RowNumbers::new(numbers, Arc::new(schema)),
        }))
    }

    fn estimate(&self, partition: u32) -> u64 {
        self.parts[partition as usize].estimate
    }
}

impl Files {
    /// What a file's footer says, with texts as views.
    fn footer(&self, path: &Path, file: &File) -> Result<ArrowReaderMetadata, FrameError> {
        if let Some(known) = self.footers.lock().get(path) {
            return Ok(known.clone());
        }
        let found = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(doubt(path))?;
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

    fn open(&self, piece: ParquetPiece, wanted: &[usize]) -> Result<Open, FrameError> {
        let path = piece.path;
        let file = File::open(&path).map_err(|error| FrameError::Doubt(format!("{}: {error}", path.display())))?;
        let footer = self.footer(&path, &file)?;
        let schema = footer.schema();
        let mut roots = Vec::with_capacity(wanted.len());
        for &place in wanted {
            let name = &self.columns[place].in_file;
            let root = schema.index_of(name).map_err(doubt(&path))?;
            roots.push(root);
        }
        // The columns come in the order of the file, each once.
        let mut order = roots.clone();
        order.sort_unstable();
        order.dedup();
        let places = roots.iter().map(|root| order.partition_point(|other| other < root)).collect();
        let mask = ProjectionMask::roots(footer.parquet_schema(), order);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer)
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS);
        let builder = match piece.row_groups {
            Some(groups) => builder.with_row_groups(groups),
            None => builder,
        };
        let batches = builder.build().map_err(doubt(&path))?;
        Ok(Open { path, batches, places })
    }
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

/// A file of which batches are being read.
struct Open {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
    /// Which of the batches' columns each of the wanted ones is.
    places: Vec<usize>,
}

struct Reading {
    files: Arc<Files>,
    /// Places of columns in the table.
    wanted: Vec<usize>,
    /// The pieces that are still to be opened.
    pieces: VecDeque<ParquetPiece>,
    open: Option<Open>,
    numbers: RowNumbers,
}

impl Reading {
    fn step(&mut self) -> Result<Option<RecordBatch>, FrameError> {
        loop {
            if let Some(open) = &mut self.open {
                if let Some(batch) = open.batches.next() {
                    let batch = batch.map_err(doubt(&open.path))?;
                    let columns = self.columns(&batch)?;
                    return self.numbers.batch(columns, batch.num_rows()).map(Some);
                }
                self.open = None;
            }
            match self.pieces.pop_front() {
                Some(piece) => self.open = Some(self.files.open(piece, &self.wanted)?),
                None => return Ok(None),
            }
        }
    }

    /// The wanted columns of a batch in the types of the table, without NaN.
    fn columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, FrameError> {
        let Some(open) = &self.open else { return Ok(Vec::new()) };
        let made = self.wanted.iter().zip(&open.places).map(|(&place, &at)| {
            let (column, expected) = (batch.column(at), &self.files.columns[place]);
            if *column.data_type() == expected.data_type {
                return without_nan(Arc::clone(column)).map_err(doubt(&open.path));
            }
            let (name, wanted, got) = (&expected.in_file, &expected.data_type, column.data_type());
            Err(doubt(&open.path)(format!("column {name:?}: expected values of type {wanted}, got {got}")))
        });
        made.collect()
    }
}

impl Iterator for Reading {
    type Item = Result<RecordBatch, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.step();
        if found.is_err() {
            self.open = None;
            self.pieces.clear();
        }
        found.transpose()
    }
}
