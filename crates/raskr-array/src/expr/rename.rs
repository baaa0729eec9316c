//! The same expression under another name.

use std::sync::{Arc, OnceLock};

use super::{Expr, Kind};
use crate::grid::Grid;

impl Expr {
    /// An expression of the same blocks that is called `name`.
    pub fn renamed(of: &Arc<Expr>, name: &str) -> Arc<Expr> {
        let grid: Grid = of.grid.clone();
        // Sources and memory stay what they are, so that they still fuse.
        let kind = match &of.kind {
            Kind::Source { source, base, strides } => {
                Kind::Source { source: source.clone(), base: *base, strides: strides.clone() }
            }
            Kind::Memory { chunk } => Kind::Memory { chunk: chunk.clone() },
            Kind::Stored { blocks } => Kind::Stored { blocks: Arc::clone(blocks) },
            _ if of.native => Kind::View { input: Arc::clone(of), map: crate::index::identity(grid.ndim()) },
            _ => Kind::Relabel { input: Arc::clone(of) },
        };
        Arc::new(Expr {
            kind,
            grid,
            element: of.element.clone(),
            native: of.native,
            label: Arc::clone(&of.label),
            origin: of.origin.clone(),
            name: Some(name.into()),
            token: OnceLock::new(),
        })
    }
}
