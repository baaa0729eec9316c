//! The inverse of the Burrows-Wheeler transform: from a permuted text back to the text, by several walks at once.
//!
//! The rows of the sorted rotations form a chain, each telling the one that comes next. To follow it is to wait for
//! memory at every step. So rows at regular distances are marked as beginnings; walks start at all of them, many at a
//! time, so that their waiting overlaps, and each ends where another began. That gives pieces of the text and, for
//! each, the one that follows, wherever the marks happen to lie in the chain: short pieces of about equal length in
//! common text, and in the worst case one long piece, as slow as without any of this.
//!
//! Invariant: the rows always form a permutation, whatever the input, so every walk comes to a beginning, its own at
//! the latest, and no row is walked over twice. Text that repeats itself exactly has several cycles; those that the
//! first row is not part of are not used.

use super::Doubt;

/// Rows left out behind those of each symbol, so that short runs are written in one go, beyond their ends.
const GAP: usize = 8;
/// More than the 900,000 rows of a block and its gaps.
const ROWS: usize = 1 << 20;
const ROW: u32 = ROWS as u32 - 1;
const SPACING: usize = 1 << 10;
/// Marks a row where a walk begins; the other bits are the number of the piece.
const BEGINNING: u32 = 1 << 31;
/// Walks at a time: enough to keep the processor's requests to memory going.
const LANES: usize = 16;
/// Each lane takes a step at a time, so none is longer than its share of a block.
const LANE: usize = 900_000 / LANES + 1;

/// What a walk found, in `from..to` of a lane.
#[derive(Clone, Copy)]
struct Piece {
    /// What the table held for the row where it begins.
    first: u32,
    lane: usize,
    from: usize,
    to: usize,
    /// Does it go on in the lane's tail?
    has_tail: bool,
    next: usize,
}

/// Inverts transforms; kept for the next block, for its memory.
pub(super) struct Inverse {
    /// For each row the one that comes next and the symbol on the way: `row << 8 | symbol`.
    table: Vec<u32>,
    pieces: Vec<Piece>,
    lanes: Vec<u8>,
    /// What the last walks found, when there were not enough of them for all lanes.
    tails: [Vec<u8>; LANES],
    text: Vec<u8>,
}

impl Inverse {
    pub(super) fn new() -> Inverse {
        Inverse {
            table: vec![0; ROWS + GAP],
            pieces: Vec::new(),
            lanes: vec![0; LANE * LANES],
            tails: Default::default(),
            text: Vec::new(),
        }
    }

    /// The text whose transform consists of `runs`, with so many of each symbol, and begins at row `origin`.
    pub(super) fn text(&mut self, runs: &[u32], counts: &[u32; 256], origin: usize) -> Result<&[u8], Doubt> {
        let total = counts.iter().map(|&count| count as usize).sum();
        self.chain(runs, counts, origin);
        self.walk()?;
        self.text.clear();
        let mut number = self.pieces.len() - 1;
        while self.text.len() < total {
            let piece = self.pieces[number];
            self.text.extend_from_slice(&self.lanes[piece.lane * LANE..][piece.from..piece.to]);
            if piece.has_tail {
                self.text.extend_from_slice(&self.tails[piece.lane]);
            }
            number = piece.next;
        }
        self.text.truncate(total);
        Ok(&self.text)
    }

    /// Fills the table and marks beginnings, that of the text as the last.
    fn chain(&mut self, runs: &[u32], counts: &[u32; 256], origin: usize) {
        let (mut targets, mut ends, mut beginnings) = ([0; 256], Vec::new(), Vec::new());
        let (mut row, mut rank, mut first) = (0, 0, 0);
        for (symbol, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
            let count = count as usize;
            targets[symbol] = row;
            ends.push(row + count);
            beginnings.extend((row.next_multiple_of(SPACING)..row + count).step_by(SPACING));
            if (rank..rank + count).contains(&origin) {
                first = row + origin - rank;
            }
            row += count + GAP;
            rank += count;
        }
        beginnings.retain(|&row| row != first);
        beginnings.push(first);

        let mut ends = ends.into_iter();
        let (mut row, mut end) = (0, ends.next().unwrap_or(ROWS));
        for &run in runs {
            let (symbol, mut length) = (run & 0xff, (run >> 8) as usize);
            let target = &mut targets[symbol as usize];
            while row + length > end {
                let part = end - row;
                put_run(&mut self.table, target, row, part, symbol);
                length -= part;
                row = end + GAP;
                end = ends.next().unwrap_or(ROWS);
            }
            put_run(&mut self.table, target, row, length, symbol);
            row += length;
        }

        self.pieces.clear();
        for (number, &row) in beginnings.iter().enumerate() {
            let first = std::mem::replace(&mut self.table[row], BEGINNING | number as u32);
            self.pieces.push(Piece { first, lane: 0, from: 0, to: 0, has_tail: false, next: 0 });
        }
    }

    /// Walks from every beginning to the next.
    fn walk(&mut self) -> Result<(), Doubt> {
        let (lanes, _) = self.lanes.as_chunks_mut::<LANE>();
        // The sizes are known here, so that nothing below checks an index at every step.
        let lanes = lanes.first_chunk_mut::<LANES>().ok_or(Doubt)?;
        let table = self.table.first_chunk::<ROWS>().ok_or(Doubt)?;
        let mut waiting = Waiting { pieces: &mut self.pieces, begun: 0 };
        let (mut entries, mut numbers, mut active) = ([0; LANES], [0; LANES], Vec::with_capacity(LANES));
        for lane in 0..LANES {
            if let Some((number, entry)) = waiting.begin(lane, 0) {
                (entries[lane], numbers[lane], lanes[lane][0]) = (entry, number, entry as u8);
                active.push(lane);
            }
        }
        let mut at = 1;
        while active.len() == LANES && at < LANE {
            let mut any = 0;
            for lane in 0..LANES {
                let entry = table[(entries[lane] >> 8 & ROW) as usize];
                any |= entry;
                lanes[lane][at] = entry as u8;
                entries[lane] = entry;
            }
            if any & BEGINNING != 0 {
                for lane in 0..LANES {
                    if entries[lane] & BEGINNING == 0 {
                        continue;
                    }
                    waiting.end(numbers[lane], at, entries[lane]);
                    match waiting.begin(lane, at) {
                        Some((number, entry)) => {
                            (entries[lane], numbers[lane], lanes[lane][at]) = (entry, number, entry as u8);
                        }
                        None => active.retain(|&each| each != lane),
                    }
                }
            }
            at += 1;
        }
        let pieces = waiting.pieces;
        for &lane in &active {
            let piece = &mut pieces[numbers[lane]];
            (piece.to, piece.has_tail) = (at, true);
            self.tails[lane].clear();
        }
        while !active.is_empty() {
            active.retain(|&lane| {
                let entry = table[(entries[lane] >> 8 & ROW) as usize];
                entries[lane] = entry;
                let goes_on = entry & BEGINNING == 0;
                match goes_on {
                    true => self.tails[lane].push(entry as u8),
                    false => pieces[numbers[lane]].next = (entry & !BEGINNING) as usize,
                }
                goes_on
            });
        }
        Ok(())
    }
}

/// The pieces of a text, of which some were begun.
struct Waiting<'a> {
    pieces: &'a mut [Piece],
    begun: usize,
}

impl Waiting<'_> {
    /// The number of a piece that waited, and its first entry, for the byte `at` of a lane.
    fn begin(&mut self, lane: usize, at: usize) -> Option<(usize, u32)> {
        let number = self.begun;
        let piece = self.pieces.get_mut(number)?;
        (piece.lane, piece.from) = (lane, at);
        self.begun += 1;
        Some((number, piece.first))
    }

    /// The piece ends in front of the byte `to` of its lane, since there was the mark of another.
    fn end(&mut self, number: usize, to: usize, mark: u32) {
        let piece = &mut self.pieces[number];
        (piece.to, piece.next) = (to, (mark & !BEGINNING) as usize);
    }
}

/// Writes entries that lead to `length` rows from `row` on, and perhaps a few more.
#[inline(always)]
fn put_run(table: &mut [u32], target: &mut usize, row: usize, length: usize, symbol: u32) {
    let from = *target;
    *target += length;
    let mut done = 0;
    loop {
        let entry = ((row + done) as u32) << 8 | symbol;
        for (place, target) in table[from + done..][..GAP].iter_mut().enumerate() {
            *target = entry + ((place as u32) << 8);
        }
        done += GAP;
        if done >= length {
            return;
        }
    }
}
