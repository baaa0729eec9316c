//! Content tokens of expressions: equal for arrays that hold the same by construction, in every process.

use std::collections::HashMap;
use std::sync::Arc;

use raskr_base::{Chunk, TaskError, Value};
use raskr_graph::{Token, TokenHasher};
use raskr_kernels::blocks::Counting;
use smallvec::SmallVec;

use super::{Expr, Kind};
use crate::grid::Grid;
use crate::index::Coordinate;

impl Expr {
    /// The token, made when it is first asked for, of its inputs' tokens; long chains don't recurse.
    pub fn token(&self) -> Result<u128, TaskError> {
        if let Some(token) = self.token.get() {
            return Ok(*token);
        }
        let mut waiting: Vec<Arc<Expr>> = self.missing();
        while let Some(expr) = waiting.last().cloned() {
            let more = if expr.token.get().is_some() { Vec::new() } else { expr.missing() };
            if more.is_empty() {
                expr.settle()?;
                waiting.pop();
            } else {
                waiting.extend(more);
            }
        }
        self.settle()
    }

    /// The name given by the user, or the label and the token.
    pub fn name(&self) -> Result<String, TaskError> {
        if let Some(name) = &self.name {
            return Ok(name.to_string());
        }
        Ok(format!("{}-{:032x}", self.label, self.token()?))
    }

    fn missing(&self) -> Vec<Arc<Expr>> {
        self.inputs().iter().filter(|input| input.token.get().is_none()).map(|input| Arc::clone(input)).collect()
    }

    fn settle(&self) -> Result<u128, TaskError> {
        if let Some(token) = self.token.get() {
            return Ok(*token);
        }
        let token = self.described(None)?;
        Ok(*self.token.get_or_init(|| token))
    }

    /// The token, of those of inputs which are there already: of a run, or their own.
    fn described(&self, run: Option<&RunTokens>) -> Result<u128, TaskError> {
        if let Some(name) = &self.name {
            let token = Token::of("named", |hasher| {
                hasher.str(name);
            });
            return Ok(token.0);
        }
        let mut hasher = TokenHasher::new(&self.label);
        self.describe_kind(&mut hasher, run.map(|run| run.number))?;
        hash_grid(&self.grid, &mut hasher);
        hasher.str(&self.element.to_string());
        for input in self.inputs() {
            let own = || input.token.get().copied();
            let known = run.and_then(|run| run.made.get(&Arc::as_ptr(input)).copied()).or_else(own);
            hasher.token(Token(known.unwrap_or_default()));
        }
        Ok(hasher.finish().0)
    }

    /// Are there more bytes in memory than this?
    fn holds_more_than(&self, bytes: usize) -> bool {
        match &self.kind {
            Kind::Memory { chunk } => once(chunk).0.nbytes() > bytes,
            Kind::Stored { blocks } => {
                let nbytes = |block: &Value| if let Value::Chunk(chunk) = block { chunk.nbytes() } else { 0 };
                blocks.iter().map(nbytes).sum::<usize>() > bytes
            }
            _ => false,
        }
    }

    fn describe_kind(&self, hasher: &mut TokenHasher, run: Option<u128>) -> Result<(), TaskError> {
        match &self.kind {
            Kind::Source { source, base, strides } => {
                hasher.str("source").str(&format!("{source:?}")).i64(*base);
                strides.iter().for_each(|stride| {
                    hasher.i64(*stride);
                });
            }
            Kind::Memory { chunk } => {
                hasher.str("memory");
                hash_chunk(chunk, run, hasher);
            }
            Kind::Stored { blocks } => {
                hasher.str("stored").list(blocks.len());
                for block in blocks.iter() {
                    match block {
                        Value::Chunk(chunk) => hash_chunk(chunk, run, hasher),
                        Value::Foreign(object) => {
                            hasher.bytes(&object.encode()?);
                        }
                        other => {
                            hasher.str(&format!("{other:?}"));
                        }
                    }
                }
            }
            Kind::Calls { calls } => {
                hasher.str("calls").list(calls.len());
                for call in calls {
                    match call.key() {
                        Some(key) => hasher.str(key),
                        // A call without a key is like no other; it lives as long as this expression.
                        None => hasher.u64(Arc::as_ptr(call) as u64),
                    };
                }
            }
            Kind::Read { reader } => {
                hasher.str("read").token(Token(reader.token()?));
            }
            Kind::Elementwise { code, .. } => {
                hasher.str("elementwise").str(code.name());
            }
            Kind::Cast { .. } => {
                hasher.str("cast");
            }
            Kind::View { map, .. } => {
                hasher.str("view");
                for coordinate in map {
                    match *coordinate {
                        Coordinate::Fixed(at) => hasher.nothing().i64(at),
                        Coordinate::Along { axis, start, step } => hasher.u64(axis as u64).i64(start).i64(step),
                    };
                }
            }
            Kind::Rechunk { .. } => {
                hasher.str("rechunk");
            }
            Kind::Regions { ranges, .. } => {
                hasher.str("regions").str(&format!("{ranges:?}"));
            }
            Kind::Take { axis, index, .. } => {
                hasher.str("take").u64(*axis as u64).list(index.len());
                index.iter().for_each(|at| {
                    hasher.i64(*at);
                });
            }
            Kind::Points { axes, positions, .. } => {
                hasher.str("points").str(&format!("{axes:?}"));
                for list in positions.iter() {
                    hasher.list(list.len());
                    list.iter().for_each(|at| {
                        hasher.i64(*at);
                    });
                }
            }
            Kind::Filter { .. } => {
                hasher.str("filter");
            }
            Kind::Compress { axis, .. } => {
                hasher.str("compress").u64(*axis as u64);
            }
            Kind::Count { how, weighted, .. } => {
                hasher.str("count").bool(*weighted);
                match &**how {
                    Counting::Numbers { least } => {
                        hasher.u64(*least as u64);
                    }
                    Counting::Bins(axes) => {
                        for bins in axes {
                            hasher.list(bins.len());
                            bins.edges().iter().for_each(|edge| {
                                hasher.u64(edge.to_bits());
                            });
                        }
                    }
                }
            }
            Kind::SelectBlocks { index, .. } => {
                hasher.str("blocks").str(&format!("{index:?}"));
            }
            Kind::ReshapeBlocks { .. } => {
                hasher.str("reshape");
            }
            Kind::Relabel { .. } => {
                hasher.str("relabel");
            }
            Kind::Concatenate { axis, .. } => {
                hasher.str("concatenate").u64(*axis as u64);
            }
            Kind::Reduce { kind, ending, axes, split, .. } => {
                hasher.str("reduce").str(&format!("{kind:?} {ending:?} {axes:?} {split:?}"));
            }
            Kind::ArgReduce { kind, axis, .. } => {
                hasher.str("arg").str(&format!("{kind:?} {axis:?}"));
            }
            Kind::SampleSort { positions, .. } => {
                hasher.str("sample-sort").bool(*positions);
            }
            Kind::Scan { kind, axis, .. } => {
                hasher.str("scan").str(&format!("{kind:?} {axis}"));
            }
            Kind::Contract { how, .. } => {
                hasher.str("contract").str(&format!("{how:?}"));
            }
            Kind::RandomWith { distribution, key, .. } => {
                hasher.str("random").str(&format!("{distribution:?}")).u64(key[0]).u64(key[1]);
            }
            Kind::Blockwise { function, out_indices, arguments, extras, concatenate } => {
                hasher.str("blockwise").token(Token(function.token()?)).bool(*concatenate);
                hasher.str(&format!("{out_indices:?}")).list(extras.len());
                for argument in arguments {
                    hasher.str(&format!("{:?}", argument.indices));
                }
                for call in extras {
                    match call.key() {
                        Some(key) => hasher.str(key),
                        None => hasher.u64(Arc::as_ptr(call) as u64),
                    };
                }
            }
            Kind::Choice { .. } => {
                hasher.str("choice");
            }
            Kind::Write { writer, .. } => {
                // Writing is done for its effect: no two writes are the same.
                hasher.str("write").u64(Arc::as_ptr(writer).cast::<()>() as u64);
            }
            Kind::Group { function, group, concatenate, .. } => {
                hasher.str("group").token(Token(function.token()?)).bool(*concatenate).str(&format!("{group:?}"));
            }
            Kind::ScanWith { block, last, combine, axis, .. } => {
                hasher.str("scan-with").u64(*axis as u64);
                for function in [block, last, combine] {
                    hasher.token(Token(function.token()?));
                }
            }
        }
        Ok(())
    }
}

fn hash_grid(grid: &Grid, hasher: &mut TokenHasher) {
    hasher.list(grid.ndim());
    for axis in grid.axes() {
        hasher.list(axis.blocks());
        for size in axis.sizes() {
            hasher.u64(*size);
        }
    }
}

/// Tokens for one run, for whose sake large memory is not hashed: where nobody has asked for its token before, it goes by its
/// address and the run's number, and so does what is made of it.
pub(crate) struct RunTokens {
    number: u128,
    above: usize,
    made: HashMap<*const Expr, u128>,
}

impl RunTokens {
    /// For a run with a number that no other one has, and memory of more than so many bytes.
    pub(crate) fn new(number: u128, above: usize) -> RunTokens {
        RunTokens { number, above, made: HashMap::new() }
    }

    /// The token of an array after those of its inputs. Arrays whose tokens were made must live as long as these tokens.
    pub(crate) fn of(&mut self, expr: &Arc<Expr>) -> Result<u128, TaskError> {
        let through = |input: &&Arc<Expr>| self.made.contains_key(&Arc::as_ptr(input));
        let hashed = expr.token.get().is_some() || expr.name.is_some();
        if hashed || !(expr.holds_more_than(self.above) || expr.inputs().iter().any(through)) {
            return expr.token();
        }
        let token = expr.described(Some(self))?;
        self.made.insert(Arc::as_ptr(expr), token);
        Ok(token)
    }
}

/// What a chunk holds; for a run with a number, where.
fn hash_chunk(chunk: &Chunk, run: Option<u128>, hasher: &mut TokenHasher) {
    hasher.str(&chunk.dtype().to_string()).list(chunk.ndim());
    for n in chunk.shape() {
        hasher.u64(*n as u64);
    }
    if chunk.is_empty() {
        return;
    }
    if let Some(number) = run {
        hasher.str("of a run").token(Token(number)).u64(chunk.buffer().as_bytes().as_ptr() as u64);
        hasher.u64(chunk.offset() as u64);
        chunk.strides().iter().for_each(|stride| {
            hasher.i64(*stride as i64);
        });
        return;
    }
    // What repeats along an axis is hashed once: it may be any number of times as large as it is in memory.
    let (once, repeated) = once(chunk);
    repeated.iter().for_each(|repeats| {
        hasher.bool(*repeats);
    });
    let whole = if once.is_contiguous() { once } else { raskr_kernels::blocks::to_contiguous(&once) };
    let start = whole.offset() * whole.dtype().itemsize();
    hasher.token(Token::of_memory(&whole.buffer().as_bytes()[start..start + whole.nbytes()]));
}

/// A chunk without the repetitions of its elements, and the axes along which they repeat.
pub(crate) fn once(chunk: &Chunk) -> (Chunk, SmallVec<[bool; 4]>) {
    let repeated: SmallVec<[bool; 4]> =
        chunk.shape().iter().zip(chunk.strides()).map(|(n, step)| *n > 1 && *step == 0).collect();
    let shape: SmallVec<[usize; 4]> =
        chunk.shape().iter().zip(&repeated).map(|(n, repeats)| if *repeats { 1 } else { *n }).collect();
    let once = chunk.with_layout(&shape, chunk.strides(), chunk.offset()).unwrap_or_else(|| chunk.clone());
    (once, repeated)
}
