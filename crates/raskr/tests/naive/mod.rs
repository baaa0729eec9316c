//! `Naive`: a dense array whose operations are loops over all places, written to be obviously right.

#[derive(Clone, Debug)]
pub struct Naive {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// All places of a shape in row-major order.
fn places(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for len in shape {
        all = all
            .into_iter()
            .flat_map(|place: Vec<usize>| {
                (0..*len).map(move |at| {
                    let mut longer = place.clone();
                    longer.push(at);
                    longer
                })
            })
            .collect();
    }
    all
}

impl Naive {
    fn at(&self, place: &[usize]) -> f64 {
        let flat = place.iter().zip(&self.shape).fold(0, |flat, (at, len)| flat * len + at);
        self.values[flat]
    }

    fn made(shape: Vec<usize>, element: impl Fn(&[usize]) -> f64) -> Naive {
        let values = places(&shape).iter().map(|place| element(place)).collect();
        Naive { shape, values }
    }

    pub fn map(&self, function: impl Fn(f64) -> f64) -> Naive {
        Naive { shape: self.shape.clone(), values: self.values.iter().map(|value| function(*value)).collect() }
    }

    pub fn zip(&self, other: &Naive, function: impl Fn(f64, f64) -> f64) -> Naive {
        let values = self.values.iter().zip(&other.values).map(|(a, b)| function(*a, *b)).collect();
        Naive { shape: self.shape.clone(), values }
    }

    pub fn broadcast_to(&self, shape: &[usize]) -> Naive {
        let ahead = shape.len() - self.shape.len();
        Naive::made(shape.to_vec(), |place| {
            let own: Vec<usize> =
                place[ahead..].iter().zip(&self.shape).map(|(at, len)| if *len == 1 { 0 } else { *at }).collect();
            self.at(&own)
        })
    }

    /// Both arrays in their common shape, if they have one.
    pub fn broadcast(a: &Naive, b: &Naive) -> Option<(Naive, Naive)> {
        let ndim = a.shape.len().max(b.shape.len());
        let length = |array: &Naive, axis: usize| match (axis + array.shape.len()).checked_sub(ndim) {
            Some(own) => array.shape[own],
            None => 1,
        };
        let shape: Option<Vec<usize>> = (0..ndim)
            .map(|axis| match (length(a, axis), length(b, axis)) {
                (p, q) if p == q => Some(p),
                (1, q) => Some(q),
                (p, 1) => Some(p),
                _ => None,
            })
            .collect();
        let shape = shape?;
        (shape.iter().product::<usize>() < 20_000).then(|| (a.broadcast_to(&shape), b.broadcast_to(&shape)))
    }

    pub fn transpose(&self, order: &[usize]) -> Naive {
        Naive::made(order.iter().map(|axis| self.shape[*axis]).collect(), |place| {
            let mut own = vec![0; place.len()];
            for (to, from) in order.iter().enumerate() {
                own[*from] = place[to];
            }
            self.at(&own)
        })
    }

    /// Elements `start + step * k` for k below `count`, for each axis.
    pub fn picked(&self, taken: &[(usize, i64, usize)]) -> Vec<f64> {
        let counts: Vec<usize> = taken.iter().map(|(_, _, count)| *count).collect();
        places(&counts)
            .iter()
            .map(|place| {
                let own: Vec<usize> = place
                    .iter()
                    .zip(taken)
                    .map(|(at, (start, step, _))| (*start as i64 + step * *at as i64) as usize)
                    .collect();
                self.at(&own)
            })
            .collect()
    }

    pub fn take(&self, wanted: &[i64], axis: usize) -> Naive {
        let mut shape = self.shape.clone();
        let len = shape[axis] as i64;
        shape[axis] = wanted.len();
        Naive::made(shape, |place| {
            let mut own = place.to_vec();
            own[axis] = wanted[place[axis]].rem_euclid(len) as usize;
            self.at(&own)
        })
    }

    pub fn concatenate(parts: &[&Naive], axis: usize) -> Naive {
        let mut shape = parts[0].shape.clone();
        shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
        Naive::made(shape, |place| {
            let mut own = place.to_vec();
            for part in parts {
                if own[axis] < part.shape[axis] {
                    return part.at(&own);
                }
                own[axis] -= part.shape[axis];
            }
            f64::NAN
        })
    }

    pub fn cumsum(&self, axis: usize) -> Naive {
        Naive::made(self.shape.clone(), |place| {
            let mut own = place.to_vec();
            (0..=place[axis])
                .map(|at| {
                    own[axis] = at;
                    self.at(&own)
                })
                .sum()
        })
    }

    /// The shape without the axes, or with length one there.
    fn reduced(&self, axes: &[usize], keep: bool) -> Vec<usize> {
        let lengths = self.shape.iter().enumerate();
        lengths
            .filter(|(axis, _)| keep || !axes.contains(axis))
            .map(|(axis, len)| if axes.contains(&axis) { 1 } else { *len })
            .collect()
    }

    pub fn reduce(&self, axes: &[usize], keep: bool, start: f64, join: impl Fn(f64, f64) -> f64) -> Naive {
        let shape = self.reduced(axes, keep);
        let cells = self.reduced(axes, true);
        let mut values = vec![start; shape.iter().product()];
        for (place, value) in places(&self.shape).iter().zip(&self.values) {
            let cell = place
                .iter()
                .enumerate()
                .fold(0, |flat, (axis, at)| flat * cells[axis] + if axes.contains(&axis) { 0 } else { *at });
            values[cell] = join(values[cell], *value);
        }
        Naive { shape, values }
    }

    pub fn argmax(&self, axis: usize, keep: bool) -> Naive {
        let cells = Naive::made(self.reduced(&[axis], true), |place| {
            let mut own = place.to_vec();
            let mut best = (f64::NEG_INFINITY, 0);
            for at in 0..self.shape[axis] {
                own[axis] = at;
                if self.at(&own) > best.0 {
                    best = (self.at(&own), at);
                }
            }
            best.1 as f64
        });
        Naive { shape: self.reduced(&[axis], keep), values: cells.values }
    }
}
