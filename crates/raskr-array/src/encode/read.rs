//! Decoding of expressions.

use std::sync::{Arc, OnceLock};

use raskr_base::{Chunk, ChunkMut, DType, TaskError};
use raskr_graph::{Call, Collection, Input};

use super::check::check;
use super::code::*;
use super::{Beside, Held, Root, undecodable};
use crate::expr::{BlockArgument, ElementType, Expr, Kind};
use crate::function::BlockFunction;
use crate::grid::{Axis, Grid};

/// Chunks of all axes together, of which a few bytes can say that there are any number.
const SIZES_MAX: u64 = 1 << 24;

/// The roots that [`super::encode`] was given; `beside` stands for what it listed.
pub fn decode(bytes: &[u8], beside: &Beside) -> Result<Vec<Root>, TaskError> {
    let (code, rest): (Code, &[u8]) = postcard::take_from_bytes(bytes).map_err(undecodable)?;
    if code.version != VERSION {
        return Err(undecodable(format!(
            "they are of version {}, this process reads version {VERSION}: both sides need the same raskr",
            code.version
        )));
    }
    if !rest.is_empty() {
        return Err(undecodable(format!("{} bytes follow after their end", rest.len())));
    }
    let mut reader = Reader { beside, axes: axes_of(&code.axes)?, functions: Vec::new(), done: Vec::new() };
    for function in code.functions {
        let function: Arc<dyn BlockFunction> = match function {
            FunctionCode::Native(native) => Arc::new(native),
            FunctionCode::Ordering(ordering) => Arc::new(ordering),
            FunctionCode::Beside(number) => Arc::clone(at(&beside.functions, number, "function")?),
        };
        reader.functions.push(function);
    }
    for (number, record) in code.records.into_iter().enumerate() {
        let done = match record {
            Record::Array(array) => {
                let label = Arc::clone(&array.label);
                Done::Array(reader.array(array).map_err(|why| undecodable(format!("{label} (array {number}): {why}")))?)
            }
            Record::Call(call) => Done::Call(reader.call(call)?),
        };
        reader.done.push(done);
    }
    code.roots
        .into_iter()
        .map(|root| match root {
            RootCode::Array(number) => Ok(Root::Array(reader.expr(number).map_err(undecodable)?)),
            RootCode::Value(input) => Ok(Root::Value(reader.input(input)?)),
        })
        .collect()
}

fn at<'l, T>(list: &'l [T], number: u32, what: &str) -> Result<&'l T, TaskError> {
    list.get(number as usize).ok_or_else(|| undecodable(format!("{what} {number} of {} is asked for", list.len())))
}

fn axes_of(codes: &[Vec<(u64, u32)>]) -> Result<Vec<Axis>, TaskError> {
    let blocks: u64 = codes.iter().flatten().map(|(_, count)| u64::from(*count)).fold(0, u64::saturating_add);
    if blocks > SIZES_MAX {
        return Err(undecodable(format!("{blocks} chunks of axes are more than the {SIZES_MAX} that are read")));
    }
    codes
        .iter()
        .map(|runs| {
            let mut sizes: Vec<u64> = Vec::with_capacity(runs.iter().map(|(_, count)| *count as usize).sum());
            let mut total = 0u64;
            for (size, count) in runs {
                sizes.extend(std::iter::repeat_n(*size, *count as usize));
                if *size != crate::grid::UNKNOWN {
                    let added = size.checked_mul(u64::from(*count)).and_then(|run| total.checked_add(run));
                    total = added
                        .filter(|total| *total <= i64::MAX as u64)
                        .ok_or_else(|| undecodable("the chunks of an axis add up to more than an axis can have"))?;
                }
            }
            Ok(Axis::new(sizes))
        })
        .collect()
}

enum Done {
    Array(Arc<Expr>),
    Call(Arc<Call>),
}

struct Reader<'b> {
    beside: &'b Beside,
    axes: Vec<Axis>,
    functions: Vec<Arc<dyn BlockFunction>>,
    done: Vec<Done>,
}

/// Why a record can't be.
type Why = String;

impl Reader<'_> {
    fn expr(&self, number: u32) -> Result<Arc<Expr>, Why> {
        match self.done.get(number as usize) {
            Some(Done::Array(expr)) => Ok(Arc::clone(expr)),
            _ => Err(format!("array {number} is not among those before")),
        }
    }

    fn exprs<C: FromIterator<Arc<Expr>>>(&self, numbers: &[u32]) -> Result<C, Why> {
        numbers.iter().map(|number| self.expr(*number)).collect()
    }

    fn call_at(&self, number: u32) -> Result<Arc<Call>, Why> {
        match self.done.get(number as usize) {
            Some(Done::Call(call)) => Ok(Arc::clone(call)),
            _ => Err(format!("call {number} is not among those before")),
        }
    }

    fn calls(&self, numbers: &[u32]) -> Result<Vec<Arc<Call>>, Why> {
        numbers.iter().map(|number| self.call_at(*number)).collect()
    }

    fn function(&self, number: u32) -> Result<Arc<dyn BlockFunction>, Why> {
        self.functions.get(number as usize).cloned().ok_or_else(|| format!("function {number} does not exist"))
    }

    fn input(&self, code: InputCode) -> Result<Input, TaskError> {
        match code {
            InputCode::Call(number) => self.call_at(number).map(Input::Call).map_err(undecodable),
            InputCode::Block(number, index) => {
                let expr = self.expr(number).map_err(undecodable)?;
                let blocks = expr.grid().blocks();
                if index >= blocks {
                    return Err(undecodable(format!("block {index} of an array of {blocks} blocks is asked for")));
                }
                Ok(Input::Block(expr as Arc<dyn Collection>, index))
            }
        }
    }

    fn call(&self, code: CallCode) -> Result<Arc<Call>, TaskError> {
        let known = at(&self.beside.calls, code.call, "call")?;
        let Some(inputs) = code.inputs else { return Ok(Arc::clone(known)) };
        let inputs = inputs.into_iter().map(|input| self.input(input)).collect::<Result<Vec<_>, _>>()?;
        let call = Call::new(Arc::clone(known.op()), inputs, known.annotations().cloned());
        if let Some(key) = known.key() {
            call.key_or_init(|| key.to_owned());
        }
        Ok(call)
    }

    fn array(&self, code: ArrayCode) -> Result<Arc<Expr>, Why> {
        let axes = code.axes.iter().map(|number| {
            self.axes.get(*number as usize).cloned().ok_or_else(|| format!("axis {number} does not exist"))
        });
        let grid = Grid::new(axes.collect::<Result<Vec<_>, Why>>()?).map_err(|error| error.to_string())?;
        let element = match code.element {
            ElementCode::Native(dtype) => ElementType::Native(dtype),
            ElementCode::Foreign(number) => match self.beside.elements.get(number as usize) {
                Some(foreign) => ElementType::Foreign(Arc::clone(foreign)),
                None => return Err(format!("element type {number} does not exist")),
            },
        };
        let origin = match code.origin {
            Some(number) => {
                let origin = self.beside.origins.get(number as usize);
                Some(Arc::clone(origin.ok_or_else(|| format!("line {number} does not exist"))?))
            }
            None => None,
        };
        if code.native && element.native().is_none() {
            return Err("native blocks of a foreign element type".to_owned());
        }
        let kind = self.kind(code.kind, &grid, &element)?;
        check(&kind, &grid, &element, code.native)?;
        let token = OnceLock::new();
        if let Some(known) = code.token {
            token.get_or_init(|| known);
        }
        let (native, label, name) = (code.native, code.label, code.name);
        Ok(Arc::new(Expr::restored(kind, grid, element, native, label, origin, name, token)))
    }

    fn kind(&self, code: KindCode, grid: &Grid, element: &ElementType) -> Result<Kind, Why> {
        let held = |number: u32| {
            self.beside.held.get(number as usize).ok_or_else(|| format!("the elements of array {number} do not exist"))
        };
        Ok(match code {
            KindCode::Source { source, base, strides } => Kind::Source { source, base, strides: strides.into() },
            KindCode::Memory { elements, repeated } => {
                let dtype = element.native().ok_or("memory of a foreign element type")?;
                Kind::Memory { chunk: memory(&elements, &repeated, grid, dtype)? }
            }
            KindCode::MemoryBeside(number) => match held(number)? {
                Held::Memory(chunk) => Kind::Memory { chunk: chunk.clone() },
                Held::Blocks(_) => return Err("blocks where an array in one piece was expected".to_owned()),
            },
            KindCode::Stored(number) => match held(number)? {
                Held::Blocks(blocks) => Kind::Stored { blocks: Arc::clone(blocks) },
                Held::Memory(_) => return Err("an array in one piece where blocks were expected".to_owned()),
            },
            KindCode::Calls(calls) => Kind::Calls { calls: self.calls(&calls)? },
            KindCode::Read(number) => match self.beside.readers.get(number as usize) {
                Some(reader) => Kind::Read { reader: Arc::clone(reader) },
                None => return Err(format!("reader {number} does not exist")),
            },
            KindCode::Elementwise { code, inputs } => Kind::Elementwise { code, inputs: self.exprs(&inputs)? },
            KindCode::Cast(input) => Kind::Cast { input: self.expr(input)? },
            KindCode::View { input, map } => Kind::View { input: self.expr(input)?, map: map.into() },
            KindCode::Rechunk(input) => Kind::Rechunk { input: self.expr(input)? },
            KindCode::Regions { input, ranges } => Kind::Regions { input: self.expr(input)?, ranges: ranges.into() },
            KindCode::Take { input, axis, index } => Kind::Take { input: self.expr(input)?, axis, index },
            KindCode::Points { input, axes, positions } => Kind::Points { input: self.expr(input)?, axes, positions },
            KindCode::Filter { input, mask } => Kind::Filter { input: self.expr(input)?, mask: self.expr(mask)? },
            KindCode::Compress { input, mask, axis } => {
                Kind::Compress { input: self.expr(input)?, mask: self.expr(mask)?, axis }
            }
            KindCode::Count { inputs, weighted, how } => Kind::Count {
                inputs: self.exprs(&inputs)?,
                weighted,
                how: Arc::new(how.counting().map_err(|error| error.to_string())?),
            },
            KindCode::SelectBlocks { input, index } => Kind::SelectBlocks { input: self.expr(input)?, index },
            KindCode::ReshapeBlocks(input) => Kind::ReshapeBlocks { input: self.expr(input)? },
            KindCode::Relabel(input) => Kind::Relabel { input: self.expr(input)? },
            KindCode::Concatenate { inputs, axis } => Kind::Concatenate { inputs: self.exprs(&inputs)?, axis },
            KindCode::Reduce { input, kind, ending, axes, split } => {
                Kind::Reduce { input: self.expr(input)?, kind, ending, axes: axes.into(), split }
            }
            KindCode::ArgReduce { input, kind, axis } => Kind::ArgReduce { input: self.expr(input)?, kind, axis },
            KindCode::Scan { input, kind, axis } => Kind::Scan { input: self.expr(input)?, kind, axis },
            KindCode::SampleSort { input, positions } => Kind::SampleSort { input: self.expr(input)?, positions },
            KindCode::Contract { a, b, how } => Kind::Contract { a: self.expr(a)?, b: self.expr(b)?, how },
            KindCode::RandomWith { distribution, key, parameters } => {
                Kind::RandomWith { distribution, key, parameters: self.exprs(&parameters)? }
            }
            KindCode::Blockwise { function, out_indices, arguments, extras, concatenate } => Kind::Blockwise {
                function: self.function(function)?,
                out_indices: out_indices.into(),
                arguments: arguments
                    .into_iter()
                    .map(|(array, indices)| Ok(BlockArgument { array: self.expr(array)?, indices: indices.into() }))
                    .collect::<Result<_, Why>>()?,
                extras: self.calls(&extras)?,
                concatenate,
            },
            KindCode::Choice { alone, shared, instead } => {
                Kind::Choice { alone: self.expr(alone)?, shared: self.expr(shared)?, instead: self.expr(instead)? }
            }
            KindCode::Write { input, writer } => match self.beside.writers.get(writer as usize) {
                Some(writer) => Kind::Write { input: self.expr(input)?, writer: Arc::clone(writer) },
                None => return Err(format!("writer {writer} does not exist")),
            },
            KindCode::Group { input, function, group, concatenate } => {
                Kind::Group { input: self.expr(input)?, function: self.function(function)?, group, concatenate }
            }
            KindCode::ScanWith { input, block, last, combine, axis } => Kind::ScanWith {
                input: self.expr(input)?,
                block: self.function(block)?,
                last: self.function(last)?,
                combine: self.function(combine)?,
                axis,
            },
        })
    }
}

/// Memory of its own with the elements, of the grid's shape.
fn memory(elements: &[u8], repeated: &[bool], grid: &Grid, dtype: DType) -> Result<Chunk, Why> {
    if !grid.is_known() || repeated.len() != grid.ndim() {
        return Err("memory without a shape".to_owned());
    }
    let whole: Vec<usize> = grid.shape().iter().map(|n| *n as usize).collect();
    let shape: Vec<usize> = whole.iter().zip(repeated).map(|(n, same)| if *same { 1 } else { *n }).collect();
    let bytes = shape.iter().try_fold(dtype.itemsize(), |bytes, n| bytes.checked_mul(*n));
    if bytes != Some(elements.len()) {
        return Err(format!("{} bytes for elements of {dtype} of shape {shape:?}", elements.len()));
    }
    if dtype == DType::Bool && elements.iter().any(|byte| *byte > 1) {
        return Err("booleans that are neither 0 nor 1".to_owned());
    }
    let mut chunk = ChunkMut::new(dtype, &shape);
    if let Some(room) = chunk.as_bytes_mut().get_mut(..elements.len()) {
        room.copy_from_slice(elements);
    }
    let chunk = chunk.freeze();
    let strides: Vec<isize> =
        chunk.strides().iter().zip(repeated).map(|(step, same)| if *same { 0 } else { *step }).collect();
    chunk.with_layout(&whole, &strides, 0).ok_or_else(|| "memory that its shape leaves".to_owned())
}
