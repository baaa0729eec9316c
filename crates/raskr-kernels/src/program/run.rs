//! Runs a program over a region: prepares what each step reads and writes, then walks the region tile by tile.
// `unsafe` is allowed here: kernels work on raw tile memory. The arena below gives every slot room for a whole tile; the
// layout keeps every tile inside the region, which every operand and output covers (checked in `prepare`).
#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

use raskr_base::chunk::contiguous_strides;
use raskr_base::{Buffer, Chunk, ChunkMut, DType};
use smallvec::SmallVec;

use super::accumulate::{Cells, Columns, Loops, Rows, WORD};
use super::instruction::{Step, ValueId};
use super::kernel::{Context, Kernel, LANES, View};
use super::layout::{Layout, Movement, TILE};
use super::operand::{Extent, gather, generate, repeat, scatter};
use super::{Access, Operand, Program, Source, loops, partials};
use crate::error::KernelError;

/// Bytes that every slot starts at a multiple of.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

thread_local! {
    /// Tile memory, kept between runs: fresh pages cost more than arithmetic.
    static ARENA: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Where an operand's elements come from.
enum Origin<'a> {
    Memory { start: *const u8 },
    Virtual { source: &'a Source, base: i64 },
}

/// An operand during a run.
struct Input<'a> {
    origin: Origin<'a>,
    dtype: DType,
    /// Tile memory of its own when what was loaded may serve later tiles too, and what was loaded last.
    kept: Option<*mut u8>,
    loaded: Option<(isize, Extent)>,
}

enum Task {
    Load { operand: usize, slot: *mut u8 },
    Compute { kernel: Kernel, inputs: SmallVec<[ValueId; 3]>, value: ValueId, slot: *mut u8, output: Option<usize> },
    Store { value: ValueId, output: usize },
    Accumulate { value: ValueId, accumulator: usize },
}

struct Output {
    start: *mut u8,
    dtype: DType,
    /// May a loop write to it at once? Not when it is an operand's memory as well.
    direct: bool,
}

struct Accumulating {
    loops: Loops,
    cells: Cells,
    dtype: DType,
}

/// A run under way.
struct Run<'a> {
    layout: Layout,
    context: Context,
    inputs: SmallVec<[Input<'a>; 4]>,
    outputs: SmallVec<[Output; 2]>,
    accumulators: SmallVec<[Accumulating; 2]>,
    tasks: Vec<Task>,
    views: SmallVec<[View; 12]>,
    dtypes: &'a [DType],
    scratch: *mut u8,
}

/// Checks an access against the region and its operand; yields its strides.
fn strides_of(
    index: usize,
    operand: &Operand,
    access: &Access,
    region: &[usize],
) -> Result<SmallVec<[isize; 4]>, KernelError> {
    match (operand, access) {
        (Operand::Memory(dtype), Access::Memory(chunk)) if chunk.dtype() == *dtype && chunk.shape() == region => {
            Ok(chunk.strides().into())
        }
        (Operand::Source(Source::Constant { .. }), _) => Ok(SmallVec::from_elem(0, region.len())),
        (Operand::Source(_), Access::Virtual { strides, .. }) if strides.len() == region.len() => {
            Ok(strides.iter().map(|stride| *stride as isize).collect())
        }
        (operand, access) => Err(KernelError::Operand {
            index,
            expected: match operand {
                Operand::Memory(dtype) => format!("a {dtype} chunk of shape {region:?}"),
                Operand::Source(_) => format!("a virtual access with {} strides", region.len()),
            },
            got: match access {
                Access::Memory(chunk) => format!("a {} chunk of shape {:?}", chunk.dtype(), chunk.shape()),
                Access::Virtual { strides, .. } => format!("a virtual access with {} strides", strides.len()),
            },
        }),
    }
}

/// The step after which an operand's memory is not read any more within a tile.
fn last_read(program: &Program, operand: usize) -> usize {
    let value = operand as ValueId;
    let reads = |step: &Step| match step {
        Step::Compute { inputs, .. } => inputs.contains(&value),
        Step::Store { value: stored, .. } | Step::Accumulate { value: stored, .. } => *stored == value,
        Step::Load { .. } => false,
    };
    program.steps.iter().rposition(reads).unwrap_or(0)
}

/// The step that writes an output.
fn written_at(program: &Program, wanted: usize) -> usize {
    let writes = |step: &Step| match step {
        Step::Compute { output, .. } => *output == Some(wanted as u32),
        Step::Store { output, .. } => *output == wanted as u32,
        _ => false,
    };
    program.steps.iter().position(writes).unwrap_or(0)
}

/// The memory of an output: that of an operand which nobody else owns and nothing reads later, or fresh.
fn output_memory(
    program: &Program,
    index: usize,
    region: &[usize],
    accesses: &mut [Access],
    taken: &mut [bool],
) -> (ChunkMut, bool) {
    let dtype = program.outputs[index];
    let written = written_at(program, index);
    for (operand, access) in accesses.iter_mut().enumerate() {
        let Access::Memory(chunk) = access else { continue };
        if taken[operand] || chunk.dtype().itemsize() != dtype.itemsize() || last_read(program, operand) > written {
            continue;
        }
        let empty = Access::Virtual { base: 0, strides: SmallVec::new() };
        let Access::Memory(chunk) = std::mem::replace(access, empty) else { continue };
        match chunk.into_mut() {
            Ok(mut memory) => {
                taken[operand] = true;
                // The operand keeps reading where it did; the memory lives as long as the output.
                let _ = memory.as_mut_ptr();
                return (memory, true);
            }
            Err(chunk) => *access = Access::Memory(chunk),
        }
    }
    (ChunkMut::new(dtype, region), false)
}

pub(super) fn run(
    program: &Program,
    region: &[usize],
    mut accesses: Vec<Access>,
    cancelled: &AtomicBool,
) -> Result<Vec<Chunk>, KernelError> {
    if accesses.len() != program.operands.len() {
        return Err(KernelError::OperandCount { expected: program.operands.len(), got: accesses.len() });
    }
    let mut movements: SmallVec<[Movement; 4]> = SmallVec::new();
    for (index, (operand, access)) in program.operands.iter().zip(&accesses).enumerate() {
        let strides = strides_of(index, operand, access, region)?;
        let cares = match operand {
            Operand::Memory(_) => true,
            Operand::Source(source) => source.cares_about_step(),
        };
        movements.push(Movement { strides, cares });
    }
    if !program.outputs.is_empty() {
        movements.push(Movement { strides: contiguous_strides(region), cares: true });
    }
    for plan in &program.accumulators {
        if let Some(axis) = (region.len()..32).find(|axis| plan.axes & (1 << axis) != 0) {
            return Err(KernelError::Axis { axis, ndim: region.len() });
        }
    }
    let axes: SmallVec<[u32; 4]> = program.accumulators.iter().map(|plan| plan.axes).collect();
    let layout = Layout::new(region, &movements, &axes);

    let starts: SmallVec<[Option<*const u8>; 4]> = accesses
        .iter()
        .map(|access| match access {
            Access::Memory(chunk) => Some(chunk.as_ptr()),
            Access::Virtual { .. } => None,
        })
        .collect();
    let bases: SmallVec<[i64; 4]> = accesses
        .iter()
        .map(|access| match access {
            Access::Virtual { base, .. } => *base,
            Access::Memory(_) => 0,
        })
        .collect();
    let mut taken: SmallVec<[bool; 8]> = SmallVec::from_elem(false, accesses.len());
    let mut memories: SmallVec<[(ChunkMut, bool); 1]> = (0..program.outputs.len())
        .map(|index| output_memory(program, index, region, &mut accesses, &mut taken))
        .collect();
    let states: SmallVec<[Buffer; 2]> = program
        .accumulators
        .iter()
        .zip(&layout.cells)
        .map(|(plan, walk)| Buffer::recycled(plan.accumulator.planes() * walk.count * WORD))
        .collect();

    let mut arena = ARENA.take();
    let result = prepare(program, layout, &starts, &bases, &mut memories, &states, &mut arena)
        .and_then(|mut run| run.walk(region, cancelled).map(|()| run.layout));
    ARENA.set(arena);
    let layout = result?;

    let mut results: Vec<Chunk> = Vec::with_capacity(program.outputs.len() + program.reductions.len());
    for ((memory, _), dtype) in memories.into_iter().zip(&program.outputs) {
        let chunk = memory.freeze();
        let got = chunk.dtype();
        results.push(chunk.reinterpret(*dtype).ok_or_else(|| KernelError::Shape {
            expected: format!("memory for {dtype}"),
            got: format!("memory for {got}"),
        })?);
    }
    for plan in &program.reductions {
        partials::extend(&mut results, program, plan, region, &layout, &states)?;
    }
    drop(accesses);
    Ok(results)
}

/// Turns steps into tasks with addresses.
fn prepare<'a>(
    program: &'a Program,
    layout: Layout,
    starts: &[Option<*const u8>],
    bases: &[i64],
    memories: &mut [(ChunkMut, bool)],
    states: &[Buffer],
    arena: &mut Vec<Line>,
) -> Result<Run<'a>, KernelError> {
    let widest = program.dtypes.iter().map(|dtype| dtype.itemsize()).max().unwrap_or(1);
    let slot_lines = (TILE * widest).div_ceil(size_of::<Line>());
    let constant_lines = (LANES * 16).div_ceil(size_of::<Line>());
    let lines =
        slot_lines * (program.slots as usize + program.operands.len() + 1) + constant_lines * program.constants.len();
    if arena.len() < lines {
        arena.resize(lines, Line([0; 64]));
    }
    let start = arena.as_mut_ptr();
    let slot = |index: usize| start.wrapping_add(index * slot_lines).cast::<u8>();
    let scratch = slot(program.slots as usize + program.operands.len());
    let constants = slot(program.slots as usize + program.operands.len() + 1);

    let mut views: SmallVec<[View; 12]> = SmallVec::from_elem(View { start: scratch, step: 0 }, program.dtypes.len());
    for (index, (dtype, bits)) in program.constants.iter().enumerate() {
        let place = constants.wrapping_add(index * constant_lines * size_of::<Line>());
        // SAFETY: the arena has `constant_lines` for each constant.
        unsafe { bits.splat(*dtype, place, LANES) };
        views[program.operands.len() + index] = View { start: place, step: 0 };
    }

    let inputs = program
        .operands
        .iter()
        .enumerate()
        .map(|(index, operand)| {
            let origin = match (operand, starts[index]) {
                (Operand::Source(source), _) => Origin::Virtual { source, base: bases[index] },
                (Operand::Memory(_), start) => Origin::Memory { start: start.unwrap_or(std::ptr::null()) },
            };
            let strides = &layout.strides[index];
            let (outer, last) = strides.split_at(strides.len() - 2);
            let still =
                if layout.tile_rows == 1 { last[0] == 0 } else { last[0] == 0 && outer.iter().all(|s| *s == 0) };
            let kept = still.then(|| slot(program.slots as usize + index));
            Input { origin, dtype: operand.dtype(), kept, loaded: None }
        })
        .collect();
    let outputs = memories
        .iter_mut()
        .zip(&program.outputs)
        .map(|((memory, reused), dtype)| Output { start: memory.as_mut_ptr(), dtype: *dtype, direct: !*reused })
        .collect();

    let mut accumulators = SmallVec::with_capacity(states.len());
    for ((plan, state), walk) in program.accumulators.iter().zip(states).zip(&layout.cells) {
        let dtype = plan.accumulator.input();
        let loops = plan
            .accumulator
            .loops()
            .ok_or_else(|| KernelError::NoLoop { operation: format!("{:?}", plan.accumulator), inputs: vec![dtype] })?;
        let cells = Cells { start: state.as_ptr().cast_mut(), count: walk.count };
        // SAFETY: the state has a word for each cell of each plane, and this run alone.
        unsafe { (loops.initialise)(cells) };
        accumulators.push(Accumulating { loops, cells, dtype });
    }

    let mut tasks = Vec::with_capacity(program.steps.len());
    for step in &program.steps {
        tasks.push(match step {
            Step::Load { operand, slot: place } => {
                Task::Load { operand: *operand as usize, slot: slot(*place as usize) }
            }
            Step::Compute { code, inputs, value, slot: place, output } => {
                let dtypes: SmallVec<[DType; 3]> = inputs.iter().map(|input| program.dtypes[*input as usize]).collect();
                let (_, kernel) = loops::find(*code, &dtypes)
                    .ok_or_else(|| KernelError::NoLoop { operation: format!("{code:?}"), inputs: dtypes.to_vec() })?;
                Task::Compute {
                    kernel,
                    inputs: inputs.clone(),
                    value: *value,
                    slot: slot(*place as usize),
                    output: output.map(|output| output as usize),
                }
            }
            Step::Store { value, output } => Task::Store { value: *value, output: *output as usize },
            Step::Accumulate { value, accumulator } => {
                Task::Accumulate { value: *value, accumulator: *accumulator as usize }
            }
        });
    }
    Ok(Run {
        layout,
        context: Context::new(),
        inputs,
        outputs,
        accumulators,
        tasks,
        views,
        dtypes: &program.dtypes,
        scratch,
    })
}

/// A tile's place: the index along each dimension of its first element, and its extent.
struct Place<'a> {
    outer: &'a [usize],
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
}

impl Place<'_> {
    fn offset(&self, strides: &[isize]) -> isize {
        let (outer, last) = strides.split_at(strides.len() - 2);
        let far: isize = self.outer.iter().zip(outer).map(|(index, stride)| *index as isize * stride).sum();
        far + self.row as isize * last[0] + self.column as isize * last[1]
    }

    fn extent(&self, strides: &[isize]) -> Extent {
        let last = &strides[strides.len() - 2..];
        Extent { rows: self.rows, columns: self.columns, row_step: last[0], column_step: last[1] }
    }
}

impl Run<'_> {
    fn walk(&mut self, region: &[usize], cancelled: &AtomicBool) -> Result<(), KernelError> {
        if region.contains(&0) {
            return Ok(());
        }
        let dims = self.layout.dims.clone();
        let (outer_dims, last) = dims.split_at(dims.len() - 2);
        let (rows, columns) = (last[0], last[1]);
        let (tile_rows, tile_columns) = (self.layout.tile_rows, self.layout.tile_columns);
        let block = self.layout.row_block.max(tile_rows);
        let mut outer: SmallVec<[usize; 4]> = SmallVec::from_elem(0, outer_dims.len());
        loop {
            for block_start in (0..rows).step_by(block) {
                if cancelled.load(Ordering::Relaxed) {
                    return Err(KernelError::Cancelled);
                }
                let block_end = rows.min(block_start + block);
                for column in (0..columns).step_by(tile_columns) {
                    let columns = tile_columns.min(columns - column);
                    for row in (block_start..block_end).step_by(tile_rows) {
                        let rows = tile_rows.min(block_end - row);
                        self.tile(&Place { outer: &outer, row, column, rows, columns });
                    }
                }
            }
            if self.context.negative_power.get() {
                return Err(KernelError::NegativePower);
            }
            let mut axis = outer.len();
            loop {
                if axis == 0 {
                    return Ok(());
                }
                axis -= 1;
                outer[axis] += 1;
                if outer[axis] < outer_dims[axis] {
                    break;
                }
                outer[axis] = 0;
            }
        }
    }

    fn tile(&mut self, place: &Place<'_>) {
        let count = place.rows * place.columns;
        let tasks = std::mem::take(&mut self.tasks);
        for task in &tasks {
            match task {
                Task::Load { operand, slot } => self.load(*operand, *slot, place),
                Task::Compute { kernel, inputs, value, slot, output } => {
                    let mut views = [View { start: self.scratch, step: 0 }; 3];
                    let mut uniform = true;
                    for (view, input) in views.iter_mut().zip(inputs) {
                        *view = self.views[*input as usize];
                        uniform &= view.step == 0;
                    }
                    let target = output.map(|output| self.target(output, place));
                    let direct = match (output, target) {
                        (Some(output), Some((start, extent))) => {
                            (!uniform && extent.is_dense() && self.outputs[*output].direct).then_some(start)
                        }
                        _ => None,
                    };
                    let out = direct.unwrap_or(*slot);
                    // A value that is one element over and over is computed for one group only.
                    let count = if uniform { LANES } else { count };
                    // SAFETY: views are whole tiles or repeated groups, and `out` (a slot that no input has, or memory of
                    // an output that no operand has) has room for the tile.
                    unsafe { kernel(&self.context, &views[..inputs.len()], out, count) };
                    self.views[*value as usize] = View { start: out, step: usize::from(!uniform) };
                    if direct.is_none()
                        && let Some(output) = output
                    {
                        self.store(*value, *output, place);
                    }
                }
                Task::Store { value, output } => self.store(*value, *output, place),
                Task::Accumulate { value, accumulator } => self.accumulate(*value, *accumulator, place),
            }
        }
        self.tasks = tasks;
    }

    /// Where a tile of an output goes.
    fn target(&self, output: usize, place: &Place<'_>) -> (*mut u8, Extent) {
        // The outputs all move alike, and are the last participant.
        let strides = &self.layout.strides[self.inputs.len()];
        let Output { start, dtype, .. } = self.outputs[output];
        (start.wrapping_offset(place.offset(strides) * dtype.itemsize() as isize), place.extent(strides))
    }

    fn load(&mut self, operand: usize, slot: *mut u8, place: &Place<'_>) {
        let strides = &self.layout.strides[operand];
        let (offset, extent) = (place.offset(strides), place.extent(strides));
        let input = &mut self.inputs[operand];
        let itemsize = input.dtype.itemsize();
        let slot = input.kept.unwrap_or(slot);
        let view = View { start: slot, step: usize::from(!extent.is_uniform()) };
        match input.origin {
            Origin::Memory { start } => {
                let start = start.wrapping_offset(offset * itemsize as isize);
                if extent.is_dense() {
                    self.views[operand] = View { start, step: 1 };
                    return;
                }
                if input.kept.is_none() || input.loaded != Some((offset, extent)) {
                    // SAFETY: the tile is inside the region, which the chunk covers; slots have room for a tile.
                    unsafe {
                        if view.step == 0 {
                            repeat(input.dtype, start, slot);
                        } else {
                            gather(start, extent, itemsize, slot);
                        }
                    }
                }
            }
            Origin::Virtual { source, base } => {
                if input.kept.is_none() || input.loaded != Some((offset, extent)) {
                    let base = base + offset as i64;
                    // SAFETY: slots and scratch have room for a tile each.
                    unsafe {
                        if view.step == 0 {
                            let one = Extent { rows: 1, columns: 1, row_step: 0, column_step: 0 };
                            generate(source, base, one, self.scratch, self.scratch);
                            repeat(input.dtype, self.scratch, slot);
                        } else {
                            generate(source, base, extent, slot, self.scratch);
                        }
                    }
                }
            }
        }
        input.loaded = Some((offset, extent));
        self.views[operand] = view;
    }

    fn store(&self, value: ValueId, output: usize, place: &Place<'_>) {
        let (start, extent) = self.target(output, place);
        let dtype = self.outputs[output].dtype;
        // SAFETY: the tile is inside the region, which the output covers; values are whole tiles or repeated groups.
        unsafe {
            let from = self.dense(value, extent.len());
            scatter(from, extent, dtype.itemsize(), start);
        }
    }

    /// The value as a whole tile, spread out when it is repeated.
    ///
    /// # Safety
    /// The value was computed for this tile.
    unsafe fn dense(&self, value: ValueId, count: usize) -> *const u8 {
        let view = self.views[value as usize];
        if view.step == 1 || count <= LANES {
            return view.start;
        }
        let one = Extent { rows: 1, columns: count, row_step: 0, column_step: 0 };
        // SAFETY: the scratch has room for a tile.
        unsafe { gather(view.start, one, self.dtypes[value as usize].itemsize(), self.scratch) };
        self.scratch
    }

    fn accumulate(&self, value: ValueId, accumulator: usize, place: &Place<'_>) {
        let Accumulating { loops, cells, dtype } = &self.accumulators[accumulator];
        let walk = &self.layout.cells[accumulator];
        let last = walk.reduced.len() - 2;
        let outer_cell: usize = place.outer.iter().zip(&walk.strides).map(|(index, stride)| index * stride).sum();
        let first = outer_cell + place.row * walk.strides[last] + place.column * walk.strides[last + 1];
        // SAFETY: cells of the tile are inside the state: the walk's strides count its cells.
        unsafe {
            let values = self.dense(value, place.rows * place.columns);
            if walk.reduced[last + 1] {
                let (rows, columns) =
                    if walk.reduced[last] { (1, place.rows * place.columns) } else { (place.rows, place.columns) };
                (loops.rows)(&self.context, *cells, Rows { first, step: walk.strides[last], values, rows, columns });
                return;
            }
            let before: u64 = place.outer.iter().zip(&walk.ordinals).map(|(index, step)| *index as u64 * step).sum();
            for row in 0..place.rows {
                let run = Columns {
                    first: first + row * walk.strides[last],
                    values: values.add(row * place.columns * dtype.itemsize()),
                    count: place.columns,
                    ordinal: before + (place.row + row) as u64 * walk.ordinals[last],
                };
                (loops.columns)(&self.context, *cells, run);
            }
        }
    }
}
