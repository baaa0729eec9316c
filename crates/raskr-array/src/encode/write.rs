//! Encoding of expressions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use raskr_base::{Chunk, TaskError};
use raskr_graph::{Call, Input};
use raskr_kernels::blocks::to_contiguous;
use serde_bytes::ByteBuf;

use super::code::*;
use super::{Beside, Held, INSIDE_BYTES_MAX, Memory, Root};
use crate::expr::token::{RunTokens, once};
use crate::expr::{ElementType, Expr, Kind};
use crate::function::BlockFunction;
use crate::grid::{Axis, Grid};
use crate::native::NativeFunction;
use crate::ops::arrange::memory_block;
use crate::ops::ordering::Ordering;

/// The bytes of what the roots stand on, and what they refer to. Tokens are made for all arrays, so that they are the same
/// where the bytes are read.
pub fn encode(roots: &[Root], memory: Memory) -> Result<(Vec<u8>, Beside), TaskError> {
    let run_tokens = match memory {
        Memory::AsBlocks { above, run: Some(number) } => Some(RunTokens::new(number, above)),
        Memory::AsBlocks { run: None, .. } | Memory::Whole => None,
    };
    let mut writer = Writer {
        memory,
        run_tokens,
        beside: Beside::default(),
        code: Code {
            version: VERSION,
            axes: Vec::new(),
            functions: Vec::new(),
            records: Vec::new(),
            roots: Vec::new(),
        },
        numbers: HashMap::new(),
        shared: HashMap::new(),
        axes: HashMap::new(),
        sizes: HashMap::new(),
    };
    for root in roots {
        let code = match root {
            Root::Array(expr) => RootCode::Array(writer.number(Thing::Array(Arc::clone(expr)))?),
            Root::Value(input) => RootCode::Value(writer.input_of_root(input)?),
        };
        writer.code.roots.push(code);
    }
    let bytes = postcard::to_stdvec(&writer.code)
        .map_err(|error| TaskError::internal(format!("arrays can't be encoded: {error}")))?;
    Ok((bytes, writer.beside))
}

/// The calls that arrays take values of, and all those on the way from the roots that stand on arrays, inputs first.
pub fn calls_of(roots: &[Root]) -> Result<Vec<Arc<Call>>, TaskError> {
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for root in roots {
        let first = match root {
            Root::Array(expr) => Thing::Array(Arc::clone(expr)),
            Root::Value(input) => needed(input)?,
        };
        let mut path: Vec<(Thing, Vec<Thing>)> = Vec::new();
        if seen.insert(first.address()) {
            let needs = first.needs()?;
            path.push((first, needs));
        }
        while let Some((_, needs)) = path.last_mut() {
            match needs.pop() {
                Some(next) => {
                    if seen.insert(next.address()) {
                        let needs = next.needs()?;
                        path.push((next, needs));
                    }
                }
                None => {
                    if let Some((Thing::Call(call), _)) = path.pop() {
                        found.push(call);
                    }
                }
            }
        }
    }
    Ok(found)
}

#[derive(Clone)]
enum Thing {
    Array(Arc<Expr>),
    Call(Arc<Call>),
}

impl Thing {
    fn address(&self) -> *const () {
        match self {
            Thing::Array(expr) => Arc::as_ptr(expr).cast(),
            Thing::Call(call) => Arc::as_ptr(call).cast(),
        }
    }

    /// Everything that must be written before it.
    fn needs(&self) -> Result<Vec<Thing>, TaskError> {
        match self {
            Thing::Array(expr) => {
                let mut needs: Vec<Thing> =
                    expr.inputs().into_iter().map(|input| Thing::Array(Arc::clone(input))).collect();
                match expr.kind() {
                    Kind::Choice { shared, .. } => needs.push(Thing::Array(Arc::clone(shared))),
                    Kind::Calls { calls } => needs.extend(calls.iter().map(|call| Thing::Call(Arc::clone(call)))),
                    Kind::Blockwise { extras, .. } => {
                        needs.extend(extras.iter().map(|call| Thing::Call(Arc::clone(call))));
                    }
                    _ => {}
                }
                Ok(needs)
            }
            Thing::Call(call) if call.stands_on_collections() => call.inputs().iter().map(needed).collect(),
            Thing::Call(_) => Ok(Vec::new()),
        }
    }
}

fn needed(input: &Input) -> Result<Thing, TaskError> {
    match input {
        Input::Call(call) => Ok(Thing::Call(Arc::clone(call))),
        Input::Block(collection, _) => match Arc::clone(collection).as_any().downcast::<Expr>() {
            Ok(expr) => Ok(Thing::Array(expr)),
            Err(_) => Err(TaskError::internal("a call takes a block of a collection that is no array")),
        },
    }
}

struct Writer {
    memory: Memory,
    run_tokens: Option<RunTokens>,
    beside: Beside,
    code: Code,
    /// Numbers of records, by address.
    numbers: HashMap<*const (), u32>,
    /// Numbers of functions, readers, writers, element types and origins, by address.
    shared: HashMap<*const (), u32>,
    /// Numbers of axes, by the address of their sizes (which may be a million) and by the sizes themselves.
    axes: HashMap<*const u64, u32>,
    sizes: HashMap<Arc<[u64]>, u32>,
}

/// The number of a thing that several expressions may hold: listed when it is first met.
fn listed<T: ?Sized>(shared: &mut HashMap<*const (), u32>, list: &mut Vec<Arc<T>>, thing: &Arc<T>) -> u32 {
    *shared.entry(Arc::as_ptr(thing).cast::<()>()).or_insert_with(|| {
        list.push(Arc::clone(thing));
        list.len() as u32 - 1
    })
}

impl Writer {
    fn number(&mut self, thing: Thing) -> Result<u32, TaskError> {
        if let Some(number) = self.numbers.get(&thing.address()) {
            return Ok(*number);
        }
        let mut path: Vec<(Thing, Vec<Thing>)> = vec![(thing.clone(), thing.needs()?)];
        while let Some((_, needs)) = path.last_mut() {
            match needs.pop() {
                Some(next) => {
                    if !self.numbers.contains_key(&next.address()) {
                        let needs = next.needs()?;
                        path.push((next, needs));
                    }
                }
                None => {
                    if let Some((done, _)) = path.pop()
                        && !self.numbers.contains_key(&done.address())
                    {
                        let record = match &done {
                            Thing::Array(expr) => Record::Array(self.array(expr)?),
                            Thing::Call(call) => Record::Call(self.call(call)?),
                        };
                        self.numbers.insert(done.address(), self.code.records.len() as u32);
                        self.code.records.push(record);
                    }
                }
            }
        }
        self.known(thing.address())
    }

    fn known(&self, address: *const ()) -> Result<u32, TaskError> {
        self.numbers.get(&address).copied().ok_or_else(|| TaskError::internal("an input was not encoded before"))
    }

    fn of(&self, expr: &Arc<Expr>) -> Result<u32, TaskError> {
        self.known(Arc::as_ptr(expr).cast())
    }

    fn all<'e>(&self, exprs: impl IntoIterator<Item = &'e Arc<Expr>>) -> Result<Vec<u32>, TaskError> {
        exprs.into_iter().map(|expr| self.of(expr)).collect()
    }

    fn calls(&self, calls: &[Arc<Call>]) -> Result<Vec<u32>, TaskError> {
        calls.iter().map(|call| self.known(Arc::as_ptr(call).cast())).collect()
    }

    fn input_of_root(&mut self, input: &Input) -> Result<InputCode, TaskError> {
        let number = self.number(needed(input)?)?;
        Ok(match input {
            Input::Call(_) => InputCode::Call(number),
            Input::Block(_, index) => InputCode::Block(number, *index),
        })
    }

    fn call(&mut self, call: &Arc<Call>) -> Result<CallCode, TaskError> {
        let inputs = if call.stands_on_collections() {
            let code = |input: &Input| {
                let number = self.known(needed(input)?.address())?;
                Ok(match input {
                    Input::Call(_) => InputCode::Call(number),
                    Input::Block(_, index) => InputCode::Block(number, *index),
                })
            };
            Some(call.inputs().iter().map(code).collect::<Result<Vec<_>, TaskError>>()?)
        } else {
            None
        };
        self.beside.calls.push(Arc::clone(call));
        Ok(CallCode { call: self.beside.calls.len() as u32 - 1, inputs })
    }

    fn array(&mut self, expr: &Arc<Expr>) -> Result<ArrayCode, TaskError> {
        let kind = self.kind(expr)?;
        let axes = expr.grid().axes().iter().map(|axis| self.axis(axis)).collect();
        let element = match expr.element() {
            ElementType::Native(dtype) => ElementCode::Native(*dtype),
            ElementType::Foreign(foreign) => {
                ElementCode::Foreign(listed(&mut self.shared, &mut self.beside.elements, foreign))
            }
        };
        let origin = expr.origin().map(|origin| listed(&mut self.shared, &mut self.beside.origins, origin));
        Ok(ArrayCode {
            kind,
            axes,
            element,
            native: expr.is_native(),
            label: expr.label().into(),
            origin,
            name: expr.given_name().cloned(),
            token: Some(match &mut self.run_tokens {
                Some(tokens) => tokens.of(expr)?,
                None => expr.token()?,
            }),
        })
    }

    fn axis(&mut self, axis: &Axis) -> u32 {
        let address = axis.sizes().as_ptr();
        if let Some(number) = self.axes.get(&address) {
            return *number;
        }
        let number = self.listed_axis(axis);
        self.axes.insert(address, number);
        number
    }

    fn listed_axis(&mut self, axis: &Axis) -> u32 {
        if let Some(number) = self.sizes.get(axis.shared_sizes()) {
            return *number;
        }
        let mut runs: Vec<(u64, u32)> = Vec::new();
        for &size in axis.sizes() {
            match runs.last_mut() {
                Some((same, count)) if *same == size && *count < u32::MAX => *count += 1,
                _ => runs.push((size, 1)),
            }
        }
        let number = self.code.axes.len() as u32;
        self.code.axes.push(runs);
        self.sizes.insert(Arc::clone(axis.shared_sizes()), number);
        number
    }

    fn function(&mut self, function: &Arc<dyn BlockFunction>) -> u32 {
        let address = Arc::as_ptr(function).cast::<()>();
        if let Some(number) = self.shared.get(&address) {
            return *number;
        }
        let any = function.as_any();
        let code = if let Some(native) = any.and_then(|any| any.downcast_ref::<NativeFunction>()) {
            FunctionCode::Native(native.clone())
        } else if let Some(ordering) = any.and_then(|any| any.downcast_ref::<Ordering>()) {
            FunctionCode::Ordering(ordering.clone())
        } else {
            self.beside.functions.push(Arc::clone(function));
            FunctionCode::Beside(self.beside.functions.len() as u32 - 1)
        };
        self.code.functions.push(code);
        self.shared.insert(address, self.code.functions.len() as u32 - 1);
        self.code.functions.len() as u32 - 1
    }

    fn held(&mut self, held: Held) -> u32 {
        self.beside.held.push(held);
        self.beside.held.len() as u32 - 1
    }

    fn memory(&mut self, chunk: &Chunk, grid: &Grid) -> Result<KindCode, TaskError> {
        let (once, repeated) = once(chunk);
        if let Memory::AsBlocks { above, .. } = self.memory
            && once.nbytes() > above
        {
            let blocks = (0..grid.blocks()).map(|index| memory_block(chunk, grid, index)).collect::<Result<_, _>>()?;
            return Ok(KindCode::Stored(self.held(Held::Blocks(blocks))));
        }
        if self.memory == Memory::Whole && once.nbytes() > INSIDE_BYTES_MAX {
            return Ok(KindCode::MemoryBeside(self.held(Held::Memory(chunk.clone()))));
        }
        let whole = to_contiguous(&once);
        let bytes = whole.buffer().as_bytes();
        let start = whole.offset() * whole.dtype().itemsize();
        let elements = bytes.get(start..start + whole.nbytes()).unwrap_or_default().to_vec();
        Ok(KindCode::Memory { elements: ByteBuf::from(elements), repeated: repeated.to_vec() })
    }

    fn kind(&mut self, expr: &Arc<Expr>) -> Result<KindCode, TaskError> {
        Ok(match expr.kind() {
            Kind::Source { source, base, strides } => {
                KindCode::Source { source: source.clone(), base: *base, strides: strides.to_vec() }
            }
            Kind::Memory { chunk } => self.memory(chunk, expr.grid())?,
            Kind::Stored { blocks } => KindCode::Stored(self.held(Held::Blocks(Arc::clone(blocks)))),
            Kind::Calls { calls } => KindCode::Calls(self.calls(calls)?),
            Kind::Read { reader } => KindCode::Read(listed(&mut self.shared, &mut self.beside.readers, reader)),
            Kind::Elementwise { code, inputs } => KindCode::Elementwise { code: *code, inputs: self.all(inputs)? },
            Kind::Cast { input } => KindCode::Cast(self.of(input)?),
            Kind::View { input, map } => KindCode::View { input: self.of(input)?, map: map.to_vec() },
            Kind::Rechunk { input } => KindCode::Rechunk(self.of(input)?),
            Kind::Regions { input, ranges } => KindCode::Regions { input: self.of(input)?, ranges: ranges.to_vec() },
            Kind::Take { input, axis, index } => {
                KindCode::Take { input: self.of(input)?, axis: *axis, index: Arc::clone(index) }
            }
            Kind::Points { input, axes, positions } => {
                KindCode::Points { input: self.of(input)?, axes: axes.clone(), positions: Arc::clone(positions) }
            }
            Kind::Filter { input, mask } => KindCode::Filter { input: self.of(input)?, mask: self.of(mask)? },
            Kind::Compress { input, mask, axis } => {
                KindCode::Compress { input: self.of(input)?, mask: self.of(mask)?, axis: *axis }
            }
            Kind::Count { inputs, weighted, how } => {
                KindCode::Count { inputs: self.all(inputs)?, weighted: *weighted, how: CountingCode::of(how) }
            }
            Kind::SelectBlocks { input, index } => {
                KindCode::SelectBlocks { input: self.of(input)?, index: Arc::clone(index) }
            }
            Kind::ReshapeBlocks { input } => KindCode::ReshapeBlocks(self.of(input)?),
            Kind::Relabel { input } => KindCode::Relabel(self.of(input)?),
            Kind::Concatenate { inputs, axis } => KindCode::Concatenate { inputs: self.all(inputs)?, axis: *axis },
            Kind::Reduce { input, kind, ending, axes, split } => KindCode::Reduce {
                input: self.of(input)?,
                kind: *kind,
                ending: *ending,
                axes: axes.to_vec(),
                split: *split,
            },
            Kind::ArgReduce { input, kind, axis } => {
                KindCode::ArgReduce { input: self.of(input)?, kind: *kind, axis: *axis }
            }
            Kind::Scan { input, kind, axis } => KindCode::Scan { input: self.of(input)?, kind: *kind, axis: *axis },
            Kind::SampleSort { input, positions } => {
                KindCode::SampleSort { input: self.of(input)?, positions: *positions }
            }
            Kind::Contract { a, b, how } => KindCode::Contract { a: self.of(a)?, b: self.of(b)?, how: how.clone() },
            Kind::RandomWith { distribution, key, parameters } => {
                KindCode::RandomWith { distribution: *distribution, key: *key, parameters: self.all(parameters)? }
            }
            Kind::Blockwise { function, out_indices, arguments, extras, concatenate } => KindCode::Blockwise {
                function: self.function(function),
                out_indices: out_indices.to_vec(),
                arguments: arguments
                    .iter()
                    .map(|argument| Ok((self.of(&argument.array)?, argument.indices.to_vec())))
                    .collect::<Result<_, TaskError>>()?,
                extras: self.calls(extras)?,
                concatenate: *concatenate,
            },
            Kind::Choice { alone, shared, instead } => {
                KindCode::Choice { alone: self.of(alone)?, shared: self.of(shared)?, instead: self.of(instead)? }
            }
            Kind::Write { input, writer } => KindCode::Write {
                input: self.of(input)?,
                writer: listed(&mut self.shared, &mut self.beside.writers, writer),
            },
            Kind::Group { input, function, group, concatenate } => KindCode::Group {
                input: self.of(input)?,
                function: self.function(function),
                group: group.clone(),
                concatenate: *concatenate,
            },
            Kind::ScanWith { input, block, last, combine, axis } => KindCode::ScanWith {
                input: self.of(input)?,
                block: self.function(block),
                last: self.function(last),
                combine: self.function(combine),
                axis: *axis,
            },
        })
    }
}
