//! `Scanner`: goes from field to field and from line to line, and hands wanted fields to the table.

use super::dialect::Dialect;
use super::error::CsvError;
use super::lanes::{Lanes, Special};
use super::structure::{Mode, Structure};
use super::table::Table;

/// How many bytes are looked at together.
pub(crate) const BLOCK: usize = 64;

#[derive(Debug)]
pub(crate) struct Scanner {
    special: Special,
    structure: Structure,
    skip_blank_lines: bool,
    /// Fields that a line may have.
    width_max: usize,
    width: usize,
    /// Places of the wanted columns in ascending order, and behind them one that no line reaches.
    wanted: Vec<usize>,
    /// The byte to go on with.
    at: usize,
    /// The first byte of the current field; kept up for wanted fields and for the first one of a line.
    start: usize,
    /// The place of the current field in its line.
    field: usize,
    /// Which of `wanted` comes next.
    next: usize,
    /// The number of the current line, from 1.
    line: u64,
    /// How many lines remain to be passed over.
    skip: usize,
    /// The last line ended with a carriage return, and what follows may be the rest of its end.
    after_return: bool,
}

impl Scanner {
    pub(crate) fn new(
        dialect: &Dialect,
        width: usize,
        positions: impl IntoIterator<Item = usize>,
        first_line: u64,
        skip: usize,
    ) -> Scanner {
        let mut scanner = Scanner {
            special: Special { delimiter: dialect.delimiter, quote: dialect.quote },
            structure: Structure::new(dialect.delimiter, dialect.quote, dialect.double_quote),
            skip_blank_lines: dialect.skip_blank_lines,
            width_max: if dialect.ignore_extra_fields { usize::MAX } else { width },
            width,
            wanted: positions.into_iter().chain([usize::MAX]).collect(),
            at: 0,
            start: 0,
            field: 0,
            next: 0,
            line: first_line,
            skip,
            after_return: false,
        };
        scanner.begin_line(0);
        scanner
    }

    /// The first byte that is still needed.
    pub(crate) fn needed(&self) -> usize {
        if self.field == 0 || self.field == self.wanted[self.next] { self.start } else { self.at }
    }

    /// The byte to go on with.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// `count` bytes in front were dropped.
    pub(crate) fn shift(&mut self, count: usize) {
        self.at -= count;
        // Where it is not needed it may lie among them.
        self.start = self.start.saturating_sub(count);
    }

    /// Passes over bytes that are no text, before anything else was looked at.
    pub(crate) fn pass(&mut self, count: usize) {
        self.at += count;
        self.start = self.at;
    }

    /// Goes on up to `stop`, by whole blocks; what remains is less than one. Behind `stop` is room for a block.
    #[inline(always)]
    pub(crate) fn scan<L: Lanes>(&mut self, text: &[u8], stop: usize, table: &mut Table) -> Result<(), CsvError> {
        while self.at + BLOCK <= stop {
            let Some(block) = text[self.at..].first_chunk::<BLOCK>() else { break };
            let marks = L::marks(block, self.special);
            let (delimiters, ends) = self.structure.next(block, BLOCK, marks);
            self.walk::<L>(text, delimiters, ends, table)?;
            self.at += BLOCK;
        }
        Ok(())
    }

    /// What is left up to `stop`, less than a block, is all.
    pub(crate) fn finish<L: Lanes>(&mut self, text: &[u8], stop: usize, table: &mut Table) -> Result<(), CsvError> {
        if let Some(block) = text[self.at..].first_chunk::<BLOCK>() {
            let length = stop - self.at;
            let mut marks = L::marks(block, self.special);
            let inside = (1 << length) - 1;
            marks.delimiters &= inside;
            marks.ends &= inside;
            marks.quotes &= inside;
            let (delimiters, ends) = self.structure.next(block, length, marks);
            self.walk::<L>(text, delimiters, ends, table)?;
            self.at = stop;
        }
        if self.structure.mode == Mode::Quoted {
            return Err(CsvError::Unclosed { row: self.line.saturating_sub(1) });
        }
        if self.field > 0 || self.start < stop {
            self.end_line(text, stop, b'\n', table)?;
        }
        Ok(())
    }

    /// Goes through the delimiters and line ends of the block at `at`.
    #[inline(always)]
    fn walk<L: Lanes>(
        &mut self,
        text: &[u8],
        mut delimiters: u64,
        mut ends: u64,
        table: &mut Table,
    ) -> Result<(), CsvError> {
        loop {
            // All below the lowest line end; all if there is none.
            let line = ends.wrapping_sub(1) & !ends;
            self.fields::<L>(text, delimiters & line, table);
            if ends == 0 {
                return Ok(());
            }
            let end = self.at + ends.trailing_zeros() as usize;
            delimiters &= !line;
            ends &= ends - 1;
            self.end_line(text, end, text[end], table)?;
        }
    }

    /// Goes through delimiters of one line.
    #[inline(always)]
    fn fields<L: Lanes>(&mut self, text: &[u8], mut delimiters: u64, table: &mut Table) {
        loop {
            let wanted = self.wanted[self.next];
            if wanted > self.field {
                let ahead = wanted - self.field;
                let there = delimiters.count_ones() as usize;
                if there < ahead {
                    self.field += there;
                    return;
                }
                let place = L::nth(delimiters, ahead as u32 - 1);
                delimiters &= (u64::MAX << place) << 1;
                self.field = wanted;
                self.start = self.at + place as usize + 1;
            }
            if delimiters == 0 {
                return;
            }
            let end = self.at + delimiters.trailing_zeros() as usize;
            delimiters &= delimiters - 1;
            table.push(self.next, text, self.start, end);
            self.field += 1;
            self.next += 1;
            self.start = end + 1;
        }
    }

    /// The current line ends before byte `end`, with `byte`.
    #[inline(always)]
    fn end_line(&mut self, text: &[u8], end: usize, byte: u8, table: &mut Table) -> Result<(), CsvError> {
        if self.field == 0 {
            let line = &text[self.start..end];
            if self.after_return && line.is_empty() && byte == b'\n' {
                self.after_return = false;
                self.start = end + 1;
                return Ok(());
            }
            if self.skip_blank_lines && line.iter().all(|&byte| byte == b' ' || byte == b'\t') {
                self.line += 1;
                self.after_return = byte == b'\r';
                self.start = end + 1;
                return Ok(());
            }
        }
        if self.skip > 0 {
            self.skip -= 1;
        } else {
            if self.field == self.wanted[self.next] {
                table.push(self.next, text, self.start, end);
                self.next += 1;
            }
            if self.field >= self.width_max {
                return Err(CsvError::Fields { expected: self.width, line: self.line, found: self.field + 1 });
            }
            table.end_row(self.next, self.line)?;
        }
        self.line += 1;
        self.after_return = byte == b'\r';
        self.begin_line(end + 1);
        Ok(())
    }

    #[inline(always)]
    fn begin_line(&mut self, start: usize) {
        self.start = start;
        self.field = 0;
        // Nothing is wanted of lines that are passed over.
        self.next = if self.skip > 0 { self.wanted.len() - 1 } else { 0 };
    }
}
