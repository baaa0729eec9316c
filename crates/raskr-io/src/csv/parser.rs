//! `Parser`: takes text in pieces and gives batches.

use arrow_array::RecordBatch;
use arrow_schema::DataType;

use super::dialect::Dialect;
use super::error::CsvError;
use super::lanes::{Portable, scan};
use super::scan::{BLOCK, Scanner};
use super::table::Table;

/// So much text is taken over at once: it is looked at while it is in the processor's cache.
const PIECE: usize = 128 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A column that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its place in the file, from 0.
    pub position: usize,
    pub name: String,
    /// An integer type, a float of 32 or 64 bits, Boolean, or Utf8View.
    pub data_type: DataType,
}

#[derive(Clone, Debug)]
enum Progress {
    Beginning,
    Going,
    Finished,
    Failed(CsvError),
}

/// Reads records from text that comes piece by piece.
///
/// Floats are rounded exactly to 64 bits, and from there to 32 bits where these are wanted. Below null floats are NaN.
#[derive(Debug)]
pub struct Parser {
    scanner: Scanner,
    table: Table,
    /// The text that is needed, up to `filled`, and room for a block behind it.
    text: Vec<u8>,
    filled: usize,
    progress: Progress,
}

impl Parser {
    /// Of a file of `width` columns, those that are wanted, in their order, in batches of `batch_rows`.
    ///
    /// The text begins with line `first_line` of the file, and `skip_rows` records are passed over (a header, which may
    /// have line ends within quotes). A byte order mark at the very beginning of the file's first line is no text.
    pub fn new(
        dialect: Dialect,
        width: usize,
        columns: Vec<Column>,
        first_line: u64,
        skip_rows: usize,
        batch_rows: usize,
    ) -> Result<Parser, CsvError> {
        dialect.check()?;
        let argument = |expected, found: usize| Err(CsvError::Argument { expected, found: found.to_string() });
        if width == 0 {
            return argument("a file of one column or more", width);
        }
        if batch_rows == 0 || u32::try_from(batch_rows).is_err() {
            return argument("1 to 2^32 - 1 rows a batch", batch_rows);
        }
        let mut positions: Vec<usize> = columns.iter().map(|column| column.position).collect();
        positions.sort_unstable();
        for Column { position, name, .. } in &columns {
            let shared = positions.iter().filter(|other| *other == position).count() > 1;
            if *position >= width || shared {
                return Err(CsvError::Position { name: name.clone(), position: *position, width });
            }
        }
        Ok(Parser {
            scanner: Scanner::new(&dialect, width, positions, first_line, skip_rows),
            table: Table::new(&dialect, columns, batch_rows)?,
            text: vec![0; PIECE + BLOCK],
            filled: 0,
            progress: if first_line <= 1 { Progress::Beginning } else { Progress::Going },
        })
    }

    /// Takes the next piece of the text. After an error the same error is given again.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), CsvError> {
        match &self.progress {
            Progress::Failed(error) => return Err(error.clone()),
            Progress::Finished if bytes.is_empty() => return Ok(()),
            Progress::Finished => return Err(CsvError::Ended { length: bytes.len() }),
            Progress::Beginning | Progress::Going => {}
        }
        for piece in bytes.chunks(PIECE) {
            self.take_over(piece);
            if self.filled - self.scanner.at() >= BLOCK {
                self.begin();
                let scanned = scan(&mut self.scanner, &self.text, self.filled, &mut self.table);
                self.note(scanned)?;
            }
        }
        Ok(())
    }

    /// The text is complete; its last line may lack an end.
    pub fn finish(&mut self) -> Result<(), CsvError> {
        match &self.progress {
            Progress::Failed(error) => return Err(error.clone()),
            Progress::Finished => return Ok(()),
            Progress::Beginning | Progress::Going => {}
        }
        self.begin();
        let finished = self.scanner.finish::<Portable>(&self.text, self.filled, &mut self.table);
        let finished = finished.and_then(|()| self.table.finish());
        self.note(finished)?;
        self.progress = Progress::Finished;
        Ok(())
    }

    /// The next batch that is complete. There are none any more once a type has proved wrong.
    pub fn next_batch(&mut self) -> Option<RecordBatch> {
        self.table.next_batch()
    }

    fn note(&mut self, result: Result<(), CsvError>) -> Result<(), CsvError> {
        result.inspect_err(|error| self.progress = Progress::Failed(error.clone()))
    }

    /// Appends `piece` to the text that is still needed.
    fn take_over(&mut self, piece: &[u8]) {
        let needed = self.scanner.needed();
        // A long field that is not complete stays where it is, or each piece of it would move all of it.
        if needed > self.filled / 2 {
            self.text.copy_within(needed..self.filled, 0);
            self.filled -= needed;
            self.scanner.shift(needed);
        }
        let end = self.filled + piece.len();
        if self.text.len() < end + BLOCK {
            self.text.resize((end + BLOCK).max(2 * self.text.len()), 0);
        }
        self.text[self.filled..end].copy_from_slice(piece);
        self.filled = end;
    }

    /// Passes over a byte order mark. There is a block of text, or all of it.
    fn begin(&mut self) {
        if matches!(self.progress, Progress::Beginning) {
            self.progress = Progress::Going;
            if self.text[..self.filled].starts_with(BYTE_ORDER_MARK) {
                self.scanner.pass(BYTE_ORDER_MARK.len());
            }
        }
    }
}
