//! `Csr`: adjacency of dense ids as two flat arrays.

/// Rows of ids: row `i` is `targets[starts[i]..starts[i + 1]]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Csr {
    starts: Vec<u32>,
    targets: Vec<u32>,
}

impl Csr {
    /// `starts` is ascending, begins with 0 and ends with the number of targets.
    pub fn new(starts: Vec<u32>, targets: Vec<u32>) -> Csr {
        debug_assert_eq!(starts.last().copied().unwrap_or(0) as usize, targets.len());
        Csr { starts, targets }
    }

    pub fn from_rows<'a>(rows: impl IntoIterator<Item = &'a [u32]>) -> Csr {
        let mut starts = vec![0];
        let mut targets = Vec::new();
        for row in rows {
            targets.extend_from_slice(row);
            starts.push(targets.len() as u32);
        }
        Csr { starts, targets }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of edges.
    pub fn edges(&self) -> usize {
        self.targets.len()
    }

    pub fn row(&self, id: u32) -> &[u32] {
        &self.targets[self.range(id)]
    }

    pub fn row_mut(&mut self, id: u32) -> &mut [u32] {
        let range = self.range(id);
        &mut self.targets[range]
    }

    /// Where row `id` lies within the flat array of targets.
    pub fn range(&self, id: u32) -> std::ops::Range<usize> {
        self.starts[id as usize] as usize..self.starts[id as usize + 1] as usize
    }

    pub fn target(&self, position: usize) -> u32 {
        self.targets[position]
    }

    pub fn degree(&self, id: u32) -> u32 {
        self.starts[id as usize + 1] - self.starts[id as usize]
    }

    /// The edges the other way round; each row ascending, repeated edges repeated.
    pub fn transposed(&self) -> Csr {
        let rows = self.len();
        let mut starts = vec![0u32; rows + 1];
        for &target in &self.targets {
            starts[target as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut targets = vec![0u32; self.targets.len()];
        for row in 0..rows as u32 {
            for &target in self.row(row) {
                let place = &mut next[target as usize];
                targets[*place as usize] = row;
                *place += 1;
            }
        }
        Csr { starts, targets }
    }

    /// The same edges after renumbering: the row that was `order[i]` becomes row `i`.
    pub fn renumbered(&self, order: &[u32], new_id: &[u32]) -> Csr {
        let mut starts = Vec::with_capacity(self.starts.len());
        let mut targets = Vec::with_capacity(self.targets.len());
        starts.push(0);
        for &old in order {
            targets.extend(self.row(old).iter().map(|&target| new_id[target as usize]));
            starts.push(targets.len() as u32);
        }
        Csr { starts, targets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_sorts_the_rows() {
        let csr = Csr::from_rows([&[2u32, 1, 1][..], &[], &[0]]);
        assert_eq!(csr.transposed(), Csr::from_rows([&[2u32][..], &[0, 0], &[0]]));
        assert_eq!(csr.transposed().transposed(), Csr::from_rows([&[1u32, 1, 2][..], &[], &[0]]));
    }

    #[test]
    fn renumbering_moves_rows_and_targets() {
        let csr = Csr::from_rows([&[1u32, 2][..], &[2], &[]]);
        let moved = csr.renumbered(&[2, 1, 0], &[2, 1, 0]);
        assert_eq!(moved, Csr::from_rows([&[][..], &[0], &[1, 0]]));
    }
}
