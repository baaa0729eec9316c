//! `Blocks`: which task yields each block of a lowered expression; joining and selecting blocks needs no tasks of its own.

use std::sync::Arc;

use raskr_graph::{LayerId, TaskRef};

use crate::grid::{BlockIndex, Grid};

/// Finds the task of a block.
#[derive(Debug)]
pub enum Blocks {
    /// Task k of the layer yields row-major block k.
    Layer(LayerId),
    /// One task a block, row-major.
    Tasks(Vec<TaskRef>),
    /// Parts one after another along an axis; each with the number of its first block there.
    Joined { axis: usize, parts: Vec<(u32, Grid, Arc<Blocks>)> },
    /// The outer product of block numbers an axis.
    Selected { base: Arc<Blocks>, grid: Grid, index: Arc<[Vec<u32>]> },
}

impl Blocks {
    /// The task of a block; `grid` is that of the expression itself.
    pub fn task(&self, grid: &Grid, block: &[u32]) -> TaskRef {
        match self {
            Blocks::Layer(layer) => TaskRef { layer: *layer, index: grid.flat(block) },
            Blocks::Tasks(tasks) => tasks[grid.flat(block) as usize],
            Blocks::Joined { axis, parts } => {
                let part = parts.partition_point(|(first, _, _)| *first <= block[*axis]).saturating_sub(1);
                // A part without blocks starts where the next does; the last that starts there holds the block.
                let (first, grid, blocks) = &parts[part];
                let mut inner: BlockIndex = block.into();
                inner[*axis] -= first;
                blocks.task(grid, &inner)
            }
            Blocks::Selected { base, grid, index } => {
                let inner: BlockIndex = block.iter().zip(index.iter()).map(|(b, axis)| axis[*b as usize]).collect();
                base.task(grid, &inner)
            }
        }
    }
}
