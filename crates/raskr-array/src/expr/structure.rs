//! Views, rechunking and the other expressions that move elements without changing them.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Expr, Kind};
use crate::error::ArrayError;
use crate::grid::{Axis, Grid, shape_words};
use crate::index::{AffineMap, Coordinate, Run, compose, is_identity, sliced_axis};

/// One step of basic indexing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Index {
    /// One place; the axis is dropped.
    At(i64),
    /// A slice, its length worked out.
    Run(Run),
    /// The whole axis, whose length may be unknown.
    All,
    /// A new axis of length one.
    New,
}

impl Expr {
    /// The same kind of expression as `self`, with another structure.
    fn derive(self: &Arc<Expr>, kind: Kind, grid: Grid, label: &str) -> Arc<Expr> {
        Arc::new(Expr::make(kind, grid, self.element.clone(), self.native, label))
    }

    /// Elements picked by an affine map. Views of views, of sources and of memory need no view of their own.
    pub fn mapped(self: &Arc<Expr>, map: AffineMap, grid: Grid, label: &str) -> Arc<Expr> {
        if is_identity(&map, grid.ndim()) && self.grid == grid {
            return Arc::clone(self);
        }
        match &self.kind {
            Kind::Source { source, base, strides } => {
                let mut base = *base;
                let mut out: SmallVec<[i64; 4]> = SmallVec::from_elem(0, grid.ndim());
                for (coordinate, stride) in map.iter().zip(strides) {
                    match *coordinate {
                        Coordinate::Fixed(at) => base += at * stride,
                        Coordinate::Along { axis, start, step } => {
                            base += start * stride;
                            out[axis] += step * stride;
                        }
                    }
                }
                self.derive(Kind::Source { source: source.clone(), base, strides: out }, grid, label)
            }
            Kind::View { input, map: inner } => {
                let map = compose(inner, &map);
                self.derive(Kind::View { input: Arc::clone(input), map }, grid, label)
            }
            _ => self.derive(Kind::View { input: Arc::clone(self), map }, grid, label),
        }
    }

    /// Basic indexing: one entry an axis, and new axes.
    pub fn index(self: &Arc<Expr>, index: &[Index]) -> Result<Arc<Expr>, ArrayError> {
        let taken = index.iter().filter(|step| **step != Index::New).count();
        if taken != self.ndim() {
            return Err(ArrayError::WrongNumberOfAxes { operation: "getitem", expected: self.ndim(), got: taken });
        }
        let mut map = AffineMap::new();
        let mut axes: Vec<Axis> = Vec::with_capacity(index.len());
        let mut sources = self.grid.axes().iter().enumerate();
        for step in index {
            if *step == Index::New {
                axes.push(Axis::single(1));
                continue;
            }
            let Some((number, axis)) = sources.next() else { break };
            match *step {
                Index::At(_) | Index::Run(_) if !axis.is_known() => {
                    return Err(ArrayError::UnknownChunks {
                        operation: "getitem",
                        axis: number,
                        sizes: axis.to_string(),
                    });
                }
                Index::At(at) => map.push(Coordinate::Fixed(at)),
                Index::Run(run) => {
                    map.push(Coordinate::Along { axis: axes.len(), start: run.start, step: run.step });
                    axes.push(sliced_axis(axis, run));
                }
                Index::All => {
                    map.push(Coordinate::Along { axis: axes.len(), start: 0, step: 1 });
                    axes.push(axis.clone());
                }
                Index::New => {}
            }
        }
        Ok(self.mapped(map, Grid::new(axes)?, "getitem"))
    }

    /// Axes in another order.
    pub fn transpose(self: &Arc<Expr>, order: &[usize]) -> Result<Arc<Expr>, ArrayError> {
        let mut sorted: Vec<usize> = order.to_vec();
        sorted.sort_unstable();
        if sorted != (0..self.ndim()).collect::<Vec<_>>() {
            return Err(ArrayError::Unexpected {
                operation: "transpose",
                expected: format!("each of the {} axes once", self.ndim()),
                got: format!("{order:?}"),
            });
        }
        let mut map = AffineMap::from_elem(Coordinate::Fixed(0), self.ndim());
        for (to, from) in order.iter().enumerate() {
            map[*from] = Coordinate::Along { axis: to, start: 0, step: 1 };
        }
        let grid = Grid::new(order.iter().map(|axis| self.grid.axis(*axis).clone()))?;
        Ok(self.mapped(map, grid, "transpose"))
    }

    /// NumPy's broadcasting to the shape of `grid`; axes that are not broadcast are rechunked to it.
    pub fn broadcast_to(self: &Arc<Expr>, grid: Grid) -> Result<Arc<Expr>, ArrayError> {
        if self.grid == grid {
            return Ok(Arc::clone(self));
        }
        let mismatch = |axis: usize, left_len, right_len| ArrayError::DontBroadcast {
            left: shape_words(&self.grid.shape()),
            right: shape_words(&grid.shape()),
            axis,
            left_len,
            right_len,
        };
        if self.ndim() > grid.ndim() {
            return Err(mismatch(grid.ndim(), self.grid.axis(0).len(), 0));
        }
        let ahead = grid.ndim() - self.ndim();
        let mut map = AffineMap::new();
        let mut aligned: Vec<Axis> = Vec::with_capacity(self.ndim());
        for (number, axis) in self.grid.axes().iter().enumerate() {
            let target = grid.axis(ahead + number);
            // An axis of length one may be cut too: all blocks but one are empty then.
            let stretched = target.is_known() && target.len() != 1;
            if axis.len() == 1 && (axis.blocks() == 1 || stretched) && target.sizes() != [1] {
                map.push(Coordinate::Fixed(0));
                aligned.push(Axis::single(1));
            } else if axis.len() == target.len()
                || (axis.blocks() == target.blocks() && !(axis.is_known() && target.is_known()))
            {
                map.push(Coordinate::Along { axis: ahead + number, start: 0, step: 1 });
                aligned.push(if axis.is_known() && target.is_known() { target.clone() } else { axis.clone() });
            } else {
                return Err(mismatch(grid.ndim() - ahead - number - 1, axis.len(), target.len()));
            }
        }
        let aligned = Grid::new(aligned)?;
        let input = if aligned == self.grid { Arc::clone(self) } else { self.rechunk(aligned)? };
        Ok(input.mapped(map, grid, "broadcast_to"))
    }

    /// The same elements in other blocks.
    pub fn rechunk(self: &Arc<Expr>, grid: Grid) -> Result<Arc<Expr>, ArrayError> {
        if grid.ndim() != self.ndim() {
            return Err(ArrayError::WrongNumberOfAxes {
                operation: "rechunk",
                expected: self.ndim(),
                got: grid.ndim(),
            });
        }
        if self.grid == grid {
            return Ok(Arc::clone(self));
        }
        for (number, (from, to)) in self.grid.axes().iter().zip(grid.axes()).enumerate() {
            if from.sizes() == to.sizes() {
                continue;
            }
            if !from.is_known() || !to.is_known() {
                return Err(ArrayError::UnknownChunks { operation: "rechunk", axis: number, sizes: from.to_string() });
            }
            if from.len() != to.len() {
                return Err(ArrayError::ChunksDontAddUp {
                    axis: number,
                    chunks: to.to_string(),
                    expected: from.len(),
                    got: to.len(),
                });
            }
        }
        let label = "rechunk-merge";
        match &self.kind {
            Kind::Source { source, base, strides } => {
                let kind = Kind::Source { source: source.clone(), base: *base, strides: strides.clone() };
                Ok(self.derive(kind, grid, &self.label))
            }
            Kind::Memory { chunk } => Ok(self.derive(Kind::Memory { chunk: chunk.clone() }, grid, &self.label)),
            Kind::Rechunk { input } => Arc::clone(input).rechunk(grid),
            _ => Ok(self.derive(Kind::Rechunk { input: Arc::clone(self) }, grid, label)),
        }
    }

    /// Block k along an axis holds elements start..stop of the input; ranges may overlap.
    pub fn regions(self: &Arc<Expr>, ranges: Vec<Vec<(u64, u64)>>) -> Result<Arc<Expr>, ArrayError> {
        if ranges.len() != self.ndim() {
            return Err(ArrayError::WrongNumberOfAxes {
                operation: "regions",
                expected: self.ndim(),
                got: ranges.len(),
            });
        }
        for (number, (axis, wanted)) in self.grid.axes().iter().zip(&ranges).enumerate() {
            if !axis.is_known() {
                return Err(ArrayError::UnknownChunks { operation: "regions", axis: number, sizes: axis.to_string() });
            }
            if let Some((start, stop)) = wanted.iter().find(|(start, stop)| start > stop || *stop > axis.len()) {
                return Err(ArrayError::Unexpected {
                    operation: "regions",
                    expected: format!("ranges inside an axis of {} elements", axis.len()),
                    got: format!("{start}..{stop}"),
                });
            }
        }
        let grid = Grid::new(
            ranges.iter().map(|axis| Axis::new(axis.iter().map(|(start, stop)| stop - start).collect::<Vec<_>>())),
        )?;
        Ok(self.derive(Kind::Regions { input: Arc::clone(self), ranges: ranges.into() }, grid, "overlap"))
    }

    /// Elements `index` along one axis, in blocks of the given sizes.
    pub fn take(self: &Arc<Expr>, axis: usize, index: Arc<[i64]>, chunks: Axis) -> Result<Arc<Expr>, ArrayError> {
        let Some(source) = self.grid.axes().get(axis) else {
            return Err(ArrayError::AxisOutOfBounds { operation: "take", axis, ndim: self.ndim() });
        };
        if !source.is_known() {
            return Err(ArrayError::UnknownChunks { operation: "take", axis, sizes: source.to_string() });
        }
        if chunks.len() != index.len() as u64 {
            return Err(ArrayError::ChunksDontAddUp {
                axis,
                chunks: chunks.to_string(),
                expected: index.len() as u64,
                got: chunks.len(),
            });
        }
        if let Some(bad) = index.iter().find(|at| **at < 0 || **at as u64 >= source.len()) {
            return Err(ArrayError::Unexpected {
                operation: "take",
                expected: format!("indexes from 0 to {} on axis {axis}", source.len() as i64 - 1),
                got: bad.to_string(),
            });
        }
        let mut axes = self.grid.axes().to_vec();
        axes[axis] = chunks;
        Ok(self.derive(Kind::Take { input: Arc::clone(self), axis, index }, Grid::new(axes)?, "getitem"))
    }

    /// The outer product of block numbers an axis.
    pub fn select_blocks(self: &Arc<Expr>, index: Vec<Vec<u32>>) -> Result<Arc<Expr>, ArrayError> {
        if index.len() != self.ndim() {
            return Err(ArrayError::WrongNumberOfAxes { operation: "blocks", expected: self.ndim(), got: index.len() });
        }
        let mut axes = Vec::with_capacity(index.len());
        for (axis, wanted) in self.grid.axes().iter().zip(&index) {
            if let Some(bad) = wanted.iter().find(|b| **b as usize >= axis.blocks()) {
                return Err(ArrayError::Unexpected {
                    operation: "blocks",
                    expected: format!("block numbers below {}", axis.blocks()),
                    got: bad.to_string(),
                });
            }
            axes.push(Axis::new(wanted.iter().map(|b| axis.sizes()[*b as usize]).collect::<Vec<_>>()));
        }
        let grid = Grid::new(axes)?;
        Ok(self.derive(Kind::SelectBlocks { input: Arc::clone(self), index: index.into() }, grid, "blocks"))
    }

    /// Row-major block k of the input, reshaped to be row-major block k of the result.
    pub fn reshape_blocks(self: &Arc<Expr>, grid: Grid) -> Result<Arc<Expr>, ArrayError> {
        if grid.blocks() != self.grid.blocks() {
            return Err(ArrayError::Unexpected {
                operation: "reshape",
                expected: format!("{} blocks, as the input has", self.grid.blocks()),
                got: format!("{}", grid.blocks()),
            });
        }
        Ok(self.derive(Kind::ReshapeBlocks { input: Arc::clone(self) }, grid, "reshape"))
    }

    /// The same blocks with other declared sizes.
    pub fn relabel(self: &Arc<Expr>, grid: Grid) -> Result<Arc<Expr>, ArrayError> {
        let counts = |grid: &Grid| grid.axes().iter().map(Axis::blocks).collect::<Vec<_>>();
        if counts(&grid) != counts(&self.grid) {
            return Err(ArrayError::Unexpected {
                operation: "with_chunks",
                expected: format!("{:?} blocks an axis", counts(&self.grid)),
                got: format!("{:?}", counts(&grid)),
            });
        }
        Ok(self.derive(Kind::Relabel { input: Arc::clone(self) }, grid, &self.label))
    }

    /// Blocks one after another along an axis; the other axes' chunks are equal already.
    pub fn concatenate(inputs: Vec<Arc<Expr>>, axis: usize) -> Result<Arc<Expr>, ArrayError> {
        let Some(first) = inputs.first().cloned() else {
            return Err(ArrayError::Unexpected {
                operation: "concatenate",
                expected: "at least one array".to_owned(),
                got: "none".to_owned(),
            });
        };
        if axis >= first.ndim() {
            return Err(ArrayError::AxisOutOfBounds { operation: "concatenate", axis, ndim: first.ndim() });
        }
        for other in &inputs {
            let alike = other.ndim() == first.ndim()
                && (0..first.ndim()).all(|d| d == axis || other.grid.axis(d).blocks() == first.grid.axis(d).blocks());
            if !alike {
                return Err(ArrayError::Unexpected {
                    operation: "concatenate",
                    expected: format!("blocks like {:?} on all axes but {axis}", first.grid),
                    got: format!("{:?}", other.grid),
                });
            }
        }
        let sizes: Vec<u64> = inputs.iter().flat_map(|expr| expr.grid.axis(axis).sizes().iter().copied()).collect();
        let mut axes = first.grid.axes().to_vec();
        axes[axis] = Axis::new(sizes);
        let native = inputs.iter().all(|input| input.is_native());
        let kind = Kind::Concatenate { inputs, axis };
        Ok(Arc::new(Expr::make(kind, Grid::new(axes)?, first.element.clone(), native, "concatenate")))
    }

    /// A new axis with one block of length one an input.
    pub fn stack(inputs: Vec<Arc<Expr>>, axis: usize) -> Result<Arc<Expr>, ArrayError> {
        let inputs = inputs
            .into_iter()
            .map(|input| {
                if axis > input.ndim() {
                    return Err(ArrayError::AxisOutOfBounds { operation: "stack", axis, ndim: input.ndim() + 1 });
                }
                let mut index = vec![Index::All; input.ndim()];
                index.insert(axis, Index::New);
                input.index(&index)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut expr = Expr::concatenate(inputs, axis)?;
        if let Some(expr) = Arc::get_mut(&mut expr) {
            expr.label = "stack".into();
        }
        Ok(expr)
    }
}
