//! The first half of decoding a block: Huffman codes of ranks and of digits, to the runs of the transformed text.
//!
//! It goes in two passes, each small enough for its state to stay in registers and almost without branches, which here
//! would be guessed wrong every other time. The first turns codes into runs of ranks, treating a digit of a length and
//! a rank alike but for masks; the second turns ranks into symbols, with the sixteen nearest in one integer.

use super::Doubt;
use super::bits::Bits;

/// Bits that are looked up at once. All tables of a block together fit the fastest cache.
const LOOKUP: u32 = 10;
const LENGTH_MAX: usize = 20;
/// So many symbols share a table.
const GROUP: usize = 50;
/// So many are decoded between two refills: `BATCH * LOOKUP` bits are no more than what a refill promises.
const BATCH: usize = 5;
const TABLES_MAX: usize = 6;
/// Encoders may write more selectors than a block needs; decoders read and forget them.
const SELECTORS_MAX: usize = 18_002;
/// 256 ranks, one more digit, and the end of the block.
const NUMBERS_MAX: usize = 258;
const NEAR: usize = 16;

/// What is known of a code: its length (bits 0..8), the rank (8..16), what it adds to the length of a run (16..24).
type Entry = u32;
/// A rank, which begins a run, not a digit of the length of one.
const RANK: Entry = 1 << 24;
/// The end of the block, or, where the length is zero, a code that is too long for the table or is none.
const SPECIAL: Entry = 1 << 31;

/// The entry of a symbol of the code: two digits, ranks from 1 on, the end.
fn entry(number: usize, end: usize, length: u32) -> Entry {
    match number as u32 {
        digit @ (0 | 1) => length | (digit + 1) << 16,
        _ if number == end => length | SPECIAL,
        number => length | (number - 1) << 8 | 1 << 16 | RANK,
    }
}

/// A canonical Huffman code.
struct Code {
    lookup: Vec<Entry>,
    /// For each length: the first code, the number of codes, and where in `sorted` their symbols begin.
    first: [u32; LENGTH_MAX + 1],
    count: [u32; LENGTH_MAX + 1],
    begin: [u32; LENGTH_MAX + 1],
    sorted: Vec<u16>,
}

impl Code {
    fn new() -> Code {
        let none = [0; LENGTH_MAX + 1];
        Code { lookup: vec![0; 1 << LOOKUP], first: none, count: none, begin: none, sorted: Vec::new() }
    }

    /// Takes the lengths of all codes; the last is that of the end of the block.
    fn set(&mut self, lengths: &[u8]) -> Result<(), Doubt> {
        self.count = [0; LENGTH_MAX + 1];
        for &length in lengths {
            self.count[usize::from(length)] += 1;
        }
        self.sorted.clear();
        let (mut code, mut filled) = (0, 0);
        for length in 1..=LENGTH_MAX {
            code <<= 1;
            self.first[length] = code;
            self.begin[length] = self.sorted.len() as u32;
            code += self.count[length];
            if code > 1 << length {
                return Err(Doubt);
            }
            for (number, _) in lengths.iter().enumerate().filter(|&(_, &each)| usize::from(each) == length) {
                self.sorted.push(number as u16);
                if length <= LOOKUP as usize {
                    let times = 1 << (LOOKUP as usize - length);
                    self.lookup[filled..filled + times].fill(entry(number, lengths.len() - 1, length as u32));
                    filled += times;
                }
            }
        }
        self.lookup[filled..].fill(SPECIAL);
        Ok(())
    }

    /// The symbol and the length of a code that is not in the table, from the next `LENGTH_MAX` bits.
    #[cold]
    fn long(&self, bits: usize) -> Result<(usize, u32), Doubt> {
        for length in LOOKUP as usize + 1..=LENGTH_MAX {
            let place = (bits as u32 >> (LENGTH_MAX - length)).wrapping_sub(self.first[length]);
            if place < self.count[length] {
                return Ok((usize::from(self.sorted[(self.begin[length] + place) as usize]), length as u32));
            }
        }
        Err(Doubt)
    }
}

/// Decodes codes to runs; kept for the next block, for its memory.
pub(super) struct Symbols {
    codes: Vec<Code>,
    selectors: Vec<u8>,
    /// Of which the first `used` are of this block.
    runs: Vec<u32>,
    used: usize,
    /// How often each symbol occurs.
    pub(super) counts: [u32; 256],
    /// How many symbols there are.
    pub(super) total: usize,
}

impl Symbols {
    pub(super) fn new() -> Symbols {
        let codes = (0..TABLES_MAX).map(|_| Code::new()).collect();
        Symbols { codes, selectors: Vec::new(), runs: Vec::new(), used: 0, counts: [0; 256], total: 0 }
    }

    /// The runs of the block that was decoded last, each a symbol and how often it occurs: `count << 8 | symbol`.
    pub(super) fn runs(&self) -> &[u32] {
        &self.runs[..self.used]
    }

    /// Decodes what follows the head of a block, of at most `max` symbols and at least one.
    pub(super) fn decode(&mut self, bits: &mut Bits, max: usize) -> Result<(), Doubt> {
        let mut symbols = [0; 256];
        let occurring = read_symbols(bits, &mut symbols);
        let (tables, selectors) = (bits.take(3), bits.take(15));
        if occurring == 0 || selectors == 0 || !(2..=TABLES_MAX).contains(&tables) {
            return Err(Doubt);
        }
        self.read_selectors(bits, tables, selectors)?;
        let mut lengths = [0; NUMBERS_MAX];
        let lengths = &mut lengths[..occurring + 2];
        for code in &mut self.codes[..tables] {
            read_lengths(bits, lengths)?;
            code.set(lengths)?;
        }
        *bits = self.read_ranks(*bits, occurring + 1, max)?;
        self.rank_to_symbol(&symbols, max)
    }

    fn read_selectors(&mut self, bits: &mut Bits, tables: usize, count: usize) -> Result<(), Doubt> {
        let mut order = [0, 1, 2, 3, 4, 5];
        self.selectors.clear();
        for place in 0..count {
            bits.refill();
            let rank = (bits.peek(8) as u8).leading_ones();
            if rank as usize >= tables {
                return Err(Doubt);
            }
            bits.skip(rank + 1);
            order[..=rank as usize].rotate_right(1);
            if place < SELECTORS_MAX {
                self.selectors.push(order[0]);
            }
        }
        Ok(())
    }

    /// Leaves runs of ranks. No run is longer than what fits beside its rank, and there are no more than `max`.
    fn read_ranks<'a>(&mut self, mut bits: Bits<'a>, end: usize, max: usize) -> Result<Bits<'a>, Doubt> {
        let mut place = 0;
        // The run at `place`, the weight of the next digit of its length, and all values that runs had.
        let (mut run, mut weight, mut all) = (0_u64, 0_u64, 0_u64);
        // Where the first code is that of a rank, nothing is written here.
        if let Some(first) = self.runs.first_mut() {
            *first = 0;
        }
        for &selector in &self.selectors {
            let code = &self.codes[usize::from(selector)];
            let Some(lookup) = code.lookup.first_chunk::<{ 1 << LOOKUP }>() else { return Err(Doubt) };
            if self.runs.len() <= place + GROUP {
                self.runs.resize((place + GROUP + 1).next_power_of_two().max(1 << 16), 0);
            }
            let mut ended = false;
            'group: for _ in 0..GROUP / BATCH {
                bits.refill();
                for _ in 0..BATCH {
                    let mut entry_found = lookup[bits.peek(LOOKUP)];
                    bits.skip(entry_found & 0xff);
                    if entry_found & SPECIAL != 0 {
                        if entry_found & 0xff == 0 {
                            bits.refill();
                            let (number, length) = code.long(bits.peek(LENGTH_MAX as u32))?;
                            bits.skip(length);
                            bits.refill();
                            entry_found = entry(number, end, 0);
                        }
                        if entry_found & SPECIAL != 0 {
                            ended = true;
                            break 'group;
                        }
                    }
                    let is_rank = u64::from(entry_found >> 24);
                    // All ones for a digit, which is added to the run, and zero for a rank, which begins another.
                    let digit = is_rank.wrapping_sub(1);
                    weight &= digit;
                    run = (run & digit).wrapping_add(u64::from(entry_found >> 8 & 0xffff) << (weight & 63));
                    weight = weight.wrapping_sub(digit);
                    all |= run;
                    place += is_rank as usize;
                    self.runs[place] = run as u32;
                }
            }
            // A length beyond 20 bits shows in `all` before more digits lose its upper bits.
            if place > max || all >> 28 != 0 || bits.is_past_end() {
                return Err(Doubt);
            }
            if ended {
                self.used = place + 1;
                return Ok(bits);
            }
        }
        Err(Doubt)
    }

    /// Replaces the ranks of the runs by the symbols; each symbol that was seen moves to the front of those to come.
    fn rank_to_symbol(&mut self, symbols: &[u8; 256], max: usize) -> Result<(), Doubt> {
        let (near, far) = symbols.split_at(NEAR);
        let mut near = near.iter().rfold(0_u128, |near, &symbol| near << 8 | u128::from(symbol));
        let mut far = far.to_vec();
        let mut total = 0;
        self.counts = [0; 256];
        for run in &mut self.runs[..self.used] {
            let mut rank = (*run & 0xff) as usize;
            if let Some(rank_far) = rank.checked_sub(NEAR) {
                let symbol = far[rank_far];
                far.copy_within(..rank_far, 1);
                far[0] = (near >> 120) as u8;
                near = near << 8 | u128::from(symbol);
                rank = 0;
            }
            let symbol = (near >> (8 * rank)) as u8;
            let moved = near << 8;
            near = moved ^ ((near ^ moved) & BEHIND[rank]) | u128::from(symbol);
            let count = *run >> 8;
            total += u64::from(count);
            self.counts[usize::from(symbol)] = self.counts[usize::from(symbol)].wrapping_add(count);
            *run = count << 8 | u32::from(symbol);
        }
        self.total = total as usize;
        if total == 0 || total > max as u64 { Err(Doubt) } else { Ok(()) }
    }
}

/// Of sixteen bytes, those behind each.
static BEHIND: [u128; NEAR] = {
    let mut masks = [0; NEAR];
    let mut rank = 0;
    while rank < NEAR - 1 {
        masks[rank] = !0 << (8 * (rank + 1));
        rank += 1;
    }
    masks
};

/// Which symbols occur, in order; tells how many.
fn read_symbols(bits: &mut Bits, symbols: &mut [u8; 256]) -> usize {
    let mut count = 0;
    let rows = bits.take(16);
    for row in (0..16).filter(|row| rows >> (15 - row) & 1 == 1) {
        let columns = bits.take(16);
        for column in (0..16).filter(|column| columns >> (15 - column) & 1 == 1) {
            symbols[count] = 16 * row + column;
            count += 1;
        }
    }
    count
}

fn read_lengths(bits: &mut Bits, lengths: &mut [u8]) -> Result<(), Doubt> {
    let mut length = bits.take(5);
    for target in lengths {
        loop {
            if !(1..=LENGTH_MAX).contains(&length) {
                return Err(Doubt);
            }
            bits.refill();
            match bits.peek(2) {
                0 | 1 => break bits.skip(1),
                2 => length += 1,
                _ => length -= 1,
            }
            bits.skip(2);
        }
        *target = length as u8;
    }
    Ok(())
}
