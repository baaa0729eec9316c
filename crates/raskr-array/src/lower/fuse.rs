//! Compiles an expression and everything fused with it to one tile program.

use std::collections::HashMap;
use std::sync::Arc;

use raskr_base::TaskError;
use raskr_kernels::program::{Builder, Register, Source};
use smallvec::SmallVec;

use super::Lowering;
use super::blocks::Blocks;
use super::plan::{Address, address};
use crate::error::ArrayError;
use crate::expr::{Expr, Kind};
use crate::grid::Grid;
use crate::index::{AffineMap, Coordinate, compose, identity};
use crate::ops::fused::Operand;

/// A program under construction, with where its operands come from.
pub struct Fusion<'l> {
    pub builder: Builder,
    pub operands: Vec<Operand>,
    lowering: &'l Lowering,
    known: HashMap<(Address, AffineMap), Register>,
}

impl<'l> Fusion<'l> {
    pub fn new(lowering: &'l Lowering) -> Fusion<'l> {
        Fusion { builder: Builder::new(), operands: Vec::new(), lowering, known: HashMap::new() }
    }

    /// The register that holds the expression, a root of the program.
    pub fn root(&mut self, expr: &Arc<Expr>) -> Result<Register, TaskError> {
        self.compile(expr, identity(expr.ndim()), true)
    }

    /// The register that holds a reduction's input, which may have blocks of its own.
    pub fn input(&mut self, expr: &Arc<Expr>) -> Result<Register, TaskError> {
        self.compile(expr, identity(expr.ndim()), false)
    }

    /// `map` says which element of `expr` each place of the program's region stands for.
    fn compile(&mut self, expr: &Arc<Expr>, map: AffineMap, is_root: bool) -> Result<Register, TaskError> {
        let key = (address(expr), map.clone());
        if let Some(register) = self.known.get(&key) {
            return Ok(*register);
        }
        let register = if !is_root && self.lowering.decision.is_leaf(expr) {
            self.blocks(expr, map)?
        } else {
            match expr.kind() {
                Kind::Source { source, base, strides } => self.source(source, *base, strides, &map, expr)?,
                Kind::Memory { chunk } => {
                    self.operands.push(Operand::Memory { chunk: chunk.clone(), map });
                    self.builder.memory(chunk.dtype())
                }
                Kind::Elementwise { code, inputs } => {
                    let registers = inputs
                        .iter()
                        .map(|input| self.compile(input, map.clone(), false))
                        .collect::<Result<SmallVec<[Register; 3]>, _>>()?;
                    self.builder.op(*code, &registers).map_err(ArrayError::from)?
                }
                Kind::Cast { input } => {
                    let register = self.compile(input, map, false)?;
                    let dtype = native(expr)?;
                    self.builder.cast(register, dtype).map_err(ArrayError::from)?
                }
                Kind::View { input, map: inner } => self.compile(input, compose(inner, &map), false)?,
                Kind::Rechunk { input } => self.compile(input, map, false)?,
                _ => self.blocks(expr, map)?,
            }
        };
        self.known.insert(key, register);
        Ok(register)
    }

    fn source(
        &mut self,
        source: &Source,
        base: i64,
        strides: &[i64],
        map: &[Coordinate],
        expr: &Arc<Expr>,
    ) -> Result<Register, TaskError> {
        if let Source::Constant { value, .. } = source {
            return Ok(self.builder.constant(native(expr)?, *value));
        }
        let (mut from, mut steps) = (base, Vec::new());
        for (coordinate, stride) in map.iter().zip(strides) {
            match *coordinate {
                Coordinate::Fixed(at) => from += at * stride,
                Coordinate::Along { axis, start, step } => {
                    from += start * stride;
                    steps.push((axis, step * stride));
                }
            }
        }
        self.operands.push(Operand::Virtual { base: from, steps });
        Ok(self.builder.source(source.clone()))
    }

    fn blocks(&mut self, expr: &Arc<Expr>, map: AffineMap) -> Result<Register, TaskError> {
        let blocks: Arc<Blocks> = self.lowering.blocks_of(expr)?;
        let dtype = native(expr)?;
        self.operands.push(Operand::Blocks {
            blocks,
            grid: expr.grid().clone(),
            map,
            dtype,
            label: expr.label().into(),
        });
        Ok(self.builder.memory(dtype))
    }
}

fn native(expr: &Expr) -> Result<raskr_base::DType, TaskError> {
    expr.dtype().ok_or_else(|| TaskError::internal(format!("{} is not native but was fused", expr.label())))
}

/// The grid that a program over a free expression runs on: large blocks are cut, and blocks that only differ along
/// reduced axes are joined, so that a task is worth its while.
pub fn task_grid(grid: &Grid, reduced: &[usize]) -> Result<Grid, ArrayError> {
    sized_grid(grid, reduced, 1 << 19, 1 << 23)
}

/// As [`task_grid`], with the sizes of tasks said, in elements.
pub fn sized_grid(grid: &Grid, reduced: &[usize], least: u64, most: u64) -> Result<Grid, ArrayError> {
    use crate::grid::Axis;
    if !grid.is_known() || grid.blocks() == 0 {
        return Ok(grid.clone());
    }
    let mut axes: Vec<Axis> = grid.axes().to_vec();
    let block = |axes: &[Axis]| axes.iter().map(Axis::max_size).fold(1, u64::saturating_mul);
    for axis in reduced.iter().rev() {
        let others = block(&axes) / axes[*axis].max_size().max(1);
        if block(&axes) < least && axes[*axis].blocks() > 1 {
            let wanted = (least / others.max(1)).max(axes[*axis].max_size());
            let mut sizes: Vec<u64> = Vec::new();
            for size in axes[*axis].sizes() {
                match sizes.last_mut() {
                    Some(last) if *last + size <= wanted => *last += size,
                    _ => sizes.push(*size),
                }
            }
            axes[*axis] = Axis::new(sizes);
        }
    }
    if block(&axes) > most
        && let Some(axis) = reduced.iter().copied().max_by_key(|axis| (axes[*axis].max_size() > 1, usize::MAX - axis))
    {
        let others = block(&axes) / axes[axis].max_size().max(1);
        let wanted = (most / 2 / others.max(1)).max(1);
        let sizes: Vec<u64> = axes[axis]
            .sizes()
            .iter()
            .flat_map(|size| {
                let pieces = size.div_ceil(wanted).max(1);
                (0..pieces).map(move |i| (i + 1) * size / pieces - i * size / pieces)
            })
            .collect();
        axes[axis] = Axis::new(sizes);
    }
    Grid::new(axes)
}
