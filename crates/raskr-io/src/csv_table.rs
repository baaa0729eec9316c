//! `CsvTable`: files of delimited text as the partitions of a table, parsed while they are read and decompressed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use raskr_base::TaskContext;
use raskr_frame::arrow::array::RecordBatch;
use raskr_frame::arrow::datatypes::{Field, SchemaRef};
use raskr_frame::{Batches, FrameError, PartitionReader};

use crate::csv::{Column, CsvError, Dialect, Parser};
use crate::error::IoError;
use crate::row_numbers::{RowNumbers, schema_with};
use crate::text::{LineReader, TextOptions, TextSource};

/// Rows of a batch.
const BATCH_ROWS: usize = 16 << 10;
/// How far a line of column names is looked for.
const HEADER_MAX: usize = 1 << 20;

/// One partition of a table: a file, or the lines of a region of it.
#[derive(Clone)]
pub struct CsvPart {
    pub source: TextSource,
    pub options: TextOptions,
    /// Does the line of column names stand at its beginning?
    pub has_header: bool,
    /// Estimated bytes of all its columns, once read.
    pub estimate: u64,
}

/// How a table is written in its files.
pub struct CsvFormat {
    pub dialect: Dialect,
    /// The line of column names, without its end, where files have one.
    pub header: Option<Vec<u8>>,
    /// How many columns the files have.
    pub width: usize,
    /// The columns that can be read.
    pub columns: Vec<Column>,
    /// The name of a further column of row numbers, counted from 0 in each partition.
    pub row_numbers: Option<String>,
}

/// Tables of delimited text. What is not as the format says is a [`FrameError::Doubt`].
pub struct CsvTable {
    parts: Vec<CsvPart>,
    format: Arc<CsvFormat>,
    schema: SchemaRef,
}

impl CsvTable {
    pub fn new(parts: Vec<CsvPart>, format: CsvFormat) -> CsvTable {
        let columns = format.columns.iter().map(|column| Field::new(&column.name, column.data_type.clone(), true));
        let schema = schema_with(columns, format.row_numbers.as_deref());
        CsvTable { parts, format: Arc::new(format), schema }
    }
}

impl PartitionReader for CsvTable {
    fn name(&self) -> &str {
        "read-csv"
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn partitions(&self) -> u32 {
        self.parts.len() as u32
    }

    fn read(&self, partition: u32, columns: &[usize], _: &TaskContext<'_>) -> Result<Batches, FrameError> {
        let part = &self.parts[partition as usize];
        let wanted: Vec<Column> = columns.iter().filter_map(|&place| self.format.columns.get(place).cloned()).collect();
        let parser = Parser::new(self.format.dialect.clone(), self.format.width, wanted, 1, 0, BATCH_ROWS);
        let header = if part.has_header { self.format.header.clone() } else { None };
        Ok(Box::new(Reading {
            lines: LineReader::open(&part.source, &part.options).map_err(doubt_of_file)?,
            parser: parser.map_err(doubt(part.source.path()))?,
            path: part.source.path().to_path_buf(),
            header,
            ended: false,
            numbers: RowNumbers::among(columns, &self.schema, self.format.columns.len())?,
        }))
    }

    fn estimate(&self, partition: u32) -> u64 {
        self.parts[partition as usize].estimate
    }
}

/// Text that is not as the format says.
fn doubt(path: &Path) -> impl Fn(CsvError) -> FrameError {
    move |error| FrameError::Doubt(format!("{}: {error}", path.display()))
}

fn doubt_of_file(error: IoError) -> FrameError {
    FrameError::Doubt(error.to_string())
}

struct Reading {
    path: PathBuf,
    lines: LineReader,
    parser: Parser,
    /// The header that is still to be passed over.
    header: Option<Vec<u8>>,
    ended: bool,
    numbers: RowNumbers,
}

impl Reading {
    /// The header is compared, not parsed: a file with other columns is read by who can match them by name.
    fn pass_header(&mut self, header: &[u8]) -> Result<(), FrameError> {
        let mut text: Vec<u8> = Vec::new();
        let end = loop {
            if let Some(end) = memchr::memchr(b'\n', &text) {
                break Some(end);
            }
            match self.lines.next_text().map_err(doubt_of_file)? {
                Some(more) if text.len() < HEADER_MAX => text.extend_from_slice(more),
                _ => break None,
            }
        };
        let line = &text[..end.unwrap_or(text.len())];
        if line.strip_suffix(b"\r").unwrap_or(line) != header {
            let path = self.path.display();
            return Err(FrameError::Doubt(format!(
                "{path}: the first line has other names than that of the first file"
            )));
        }
        self.parser.push(&text[end.map_or(text.len(), |end| end + 1)..]).map_err(doubt(&self.path))
    }

    fn step(&mut self) -> Result<Option<RecordBatch>, FrameError> {
        if let Some(header) = self.header.take() {
            self.pass_header(&header)?;
        }
        loop {
            if let Some(batch) = self.parser.next_batch() {
                return self.numbers.batch(batch.columns().to_vec(), batch.num_rows()).map(Some);
            }
            if self.ended {
                return Ok(None);
            }
            match self.lines.next_text().map_err(doubt_of_file)? {
                Some(text) => self.parser.push(text).map_err(doubt(&self.path))?,
                None => {
                    self.ended = true;
                    self.parser.finish().map_err(doubt(&self.path))?;
                }
            }
        }
    }
}

impl Iterator for Reading {
    type Item = Result<RecordBatch, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.step();
        if found.is_err() {
            self.ended = true;
        }
        found.transpose()
    }
}
