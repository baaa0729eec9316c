//! Layered layout: where nodes and edges go (Sugiyama, Tagawa and Toda 1981).
//!
//! Layers by longest path, edges across several layers split by invisible points, crossings reduced by sorting each
//! layer by the mean place of its neighbours, and then places pulled towards those of the neighbours.

use super::{Direction, Drawing, Node, Outline};

/// Font size that the layout reckons with, in pixels, and a character's width in the monospaced font.
pub const FONT_SIZE: f32 = 14.0;
pub const CHARACTER_WIDTH: f32 = 8.43;
pub const LINE_HEIGHT: f32 = 17.0;
/// Characters of a label that are shown.
const LABEL_CHARACTERS_MAX: usize = 40;
const NODE_SIZE_MIN: f32 = 36.0;
const PADDING: f32 = 10.0;
const LAYER_GAP: f32 = 46.0;
const NODE_GAP: f32 = 22.0;
const MARGIN: f32 = 12.0;
/// Invisible points at most; beyond this, edges run straight.
const POINTS_MAX: usize = 60_000;
const SORTING_ROUNDS: usize = 12;
const PLACING_ROUNDS: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

#[derive(Clone, Debug, Default)]
pub struct Placed {
    pub centre: Point,
    pub width: f32,
    pub height: f32,
    /// The label as it is shown.
    pub lines: Vec<String>,
}

/// Where everything goes, in pixels from the upper left corner.
#[derive(Debug)]
pub struct Layout {
    pub nodes: Vec<Placed>,
    /// A smooth line for each edge, from outline to outline: points, three apart from the first on being on the line and
    /// the two between being control points of a cubic curve.
    pub edges: Vec<Vec<Point>>,
    pub width: f32,
    pub height: f32,
}

/// A node, or a point of an edge on a layer between.
struct Vertex {
    layer: usize,
    /// Size along the layer.
    breadth: f32,
    place: f32,
}

struct Layers {
    vertices: Vec<Vertex>,
    /// Vertices of each layer in order.
    rows: Vec<Vec<usize>>,
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
    /// The vertices that each edge passes, both ends included.
    paths: Vec<Vec<usize>>,
}

impl Layout {
    pub fn of(drawing: &Drawing) -> Layout {
        let horizontal = matches!(drawing.direction, Direction::LeftToRight | Direction::RightToLeft);
        let mut nodes: Vec<Placed> = drawing.nodes.iter().map(sized).collect();
        let mut layers = Layers::of(drawing, |i| if horizontal { nodes[i].height } else { nodes[i].width });
        layers.sort();
        layers.place();

        // Depth of each layer: as its largest node needs it.
        let mut depths = vec![0f32; layers.rows.len()];
        for (node, vertex) in nodes.iter().zip(&layers.vertices) {
            let depth = &mut depths[vertex.layer];
            *depth = depth.max(if horizontal { node.width } else { node.height });
        }
        let mut middles = Vec::with_capacity(depths.len());
        let mut end = MARGIN;
        for &depth in &depths {
            middles.push(end + depth / 2.0);
            end += depth + LAYER_GAP;
        }
        let length = if depths.is_empty() { 2.0 * MARGIN } else { end - LAYER_GAP + MARGIN };
        let low = layers.vertices.iter().map(|v| v.place - v.breadth / 2.0).fold(f32::INFINITY, f32::min);
        let high = layers.vertices.iter().map(|v| v.place + v.breadth / 2.0).fold(f32::NEG_INFINITY, f32::max);
        let breadth = if nodes.is_empty() { 0.0 } else { high - low } + 2.0 * MARGIN;
        let at = |vertex: &Vertex| {
            let (along, across) = (middles[vertex.layer], vertex.place - low + MARGIN);
            match drawing.direction {
                Direction::TopToBottom => Point { x: across, y: along },
                Direction::BottomToTop => Point { x: across, y: length - along },
                Direction::LeftToRight => Point { x: along, y: across },
                Direction::RightToLeft => Point { x: length - along, y: across },
            }
        };
        for (node, vertex) in nodes.iter_mut().zip(&layers.vertices) {
            node.centre = at(vertex);
        }
        let edges = drawing
            .edges
            .iter()
            .zip(&layers.paths)
            .map(|(edge, path)| {
                let mut points: Vec<Point> = path.iter().map(|&vertex| at(&layers.vertices[vertex])).collect();
                let last = points.len() - 1;
                let (from, to) = (&nodes[edge.from], &nodes[edge.to]);
                let begin = border(from, drawing.nodes[edge.from].outline, points[1]);
                let end = border(to, drawing.nodes[edge.to].outline, points[last - 1]);
                points[0] = begin;
                points[last] = end;
                smooth(&points, horizontal)
            })
            .collect();
        let (width, height) = if horizontal { (length, breadth) } else { (breadth, length) };
        Layout { nodes, edges, width, height }
    }
}

fn sized(node: &Node) -> Placed {
    let shorten = |line: &str| match line.char_indices().nth(LABEL_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_string(),
    };
    let lines: Vec<String> = node.label.lines().map(shorten).collect();
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let (text_width, text_height) = (longest as f32 * CHARACTER_WIDTH, lines.len() as f32 * LINE_HEIGHT);
    let (width, height) = match node.outline {
        Outline::Box => (text_width + 2.0 * PADDING, text_height + PADDING),
        // An ellipse about the text, of which a short one makes a circle.
        Outline::Circle => (text_width * 1.2 + 1.6 * PADDING, text_height * 1.3 + PADDING),
    };
    let (width, height) = (width.max(NODE_SIZE_MIN), height.max(NODE_SIZE_MIN));
    let nearly_round = node.outline == Outline::Circle && width < 1.7 * height;
    let height = if nearly_round { width.max(height) } else { height };
    Placed { centre: Point::default(), width: if nearly_round { height } else { width }, height, lines }
}

/// Where the line from the centre to `towards` leaves the outline.
fn border(node: &Placed, outline: Outline, towards: Point) -> Point {
    let (dx, dy) = (towards.x - node.centre.x, towards.y - node.centre.y);
    let (rx, ry) = (node.width / 2.0, node.height / 2.0);
    let reach = match outline {
        Outline::Circle => 1.0 / ((dx / rx).powi(2) + (dy / ry).powi(2)).sqrt(),
        Outline::Box => (rx / dx.abs()).min(ry / dy.abs()),
    };
    let reach = if reach.is_finite() { reach } else { 0.0 };
    Point { x: node.centre.x + dx * reach, y: node.centre.y + dy * reach }
}

fn smooth(points: &[Point], horizontal: bool) -> Vec<Point> {
    let mut line = vec![points[0]];
    for pair in points.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let (near, far) = if points.len() == 2 {
            // A single step runs straight.
            let third = |s: f32| Point { x: a.x + (b.x - a.x) * s, y: a.y + (b.y - a.y) * s };
            (third(1.0 / 3.0), third(2.0 / 3.0))
        } else if horizontal {
            let middle = (a.x + b.x) / 2.0;
            (Point { x: middle, y: a.y }, Point { x: middle, y: b.y })
        } else {
            let middle = (a.y + b.y) / 2.0;
            (Point { x: a.x, y: middle }, Point { x: b.x, y: middle })
        };
        line.extend([near, far, b]);
    }
    line
}

/// Layer of each node: one more than the deepest it takes from. Edges that close a cycle are not heeded.
fn layer_numbers(drawing: &Drawing) -> Vec<usize> {
    let count = drawing.nodes.len();
    let mut unmet = vec![0usize; count];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); count];
    for edge in drawing.edges.iter().filter(|edge| edge.from != edge.to) {
        unmet[edge.to] += 1;
        after[edge.from].push(edge.to);
        before[edge.to].push(edge.from);
    }
    let mut layer = vec![0usize; count];
    let mut placed = vec![false; count];
    let mut ready: Vec<usize> = (0..count).filter(|&node| unmet[node] == 0).collect();
    let mut sequence = Vec::with_capacity(count);
    let mut stuck = 0;
    while sequence.len() < count {
        let Some(node) = ready.pop() else {
            // What is left lies on cycles or behind them: one of it goes first.
            while placed[stuck] {
                stuck += 1;
            }
            ready.push(stuck);
            continue;
        };
        if std::mem::replace(&mut placed[node], true) {
            continue;
        }
        sequence.push(node);
        for &next in &after[node] {
            if placed[next] {
                continue;
            }
            layer[next] = layer[next].max(layer[node] + 1);
            unmet[next] -= 1;
            if unmet[next] == 0 {
                ready.push(next);
            }
        }
    }
    // Sources stand next to what takes from them.
    for node in 0..count {
        if before[node].is_empty()
            && let Some(nearest) = after[node].iter().map(|&next| layer[next]).min()
        {
            layer[node] = nearest.saturating_sub(1);
        }
    }
    layer
}

impl Layers {
    fn of(drawing: &Drawing, breadth: impl Fn(usize) -> f32) -> Layers {
        let numbers = layer_numbers(drawing);
        let mut vertices: Vec<Vertex> =
            numbers.iter().enumerate().map(|(i, &layer)| Vertex { layer, breadth: breadth(i), place: 0.0 }).collect();
        let mut paths = Vec::with_capacity(drawing.edges.len());
        for edge in &drawing.edges {
            let (from, to) = (numbers[edge.from], numbers[edge.to]);
            let mut path = vec![edge.from];
            if vertices.len() < POINTS_MAX {
                let between: Vec<usize> =
                    if from < to { (from + 1..to).collect() } else { (to + 1..from).rev().collect() };
                for layer in between {
                    path.push(vertices.len());
                    vertices.push(Vertex { layer, breadth: 2.0, place: 0.0 });
                }
            }
            path.push(edge.to);
            paths.push(path);
        }
        let mut before = vec![Vec::new(); vertices.len()];
        let mut after = vec![Vec::new(); vertices.len()];
        for pair in paths.iter().flat_map(|path| path.windows(2)) {
            let (mut low, mut high) = (pair[0], pair[1]);
            if vertices[low].layer > vertices[high].layer {
                (low, high) = (high, low);
            }
            if vertices[low].layer < vertices[high].layer {
                after[low].push(high);
                before[high].push(low);
            }
        }
        let mut rows = vec![Vec::new(); vertices.iter().map(|vertex| vertex.layer + 1).max().unwrap_or(0)];
        for (i, vertex) in vertices.iter().enumerate() {
            rows[vertex.layer].push(i);
        }
        Layers { vertices, rows, before, after, paths }
    }

    fn sort(&mut self) {
        for round in 0..SORTING_ROUNDS {
            let down = round % 2 == 0;
            let mut rank = vec![0f32; self.vertices.len()];
            for row in &self.rows {
                for (i, &vertex) in row.iter().enumerate() {
                    rank[vertex] = i as f32;
                }
            }
            let count = self.rows.len();
            for step in 1..count {
                let layer = if down { step } else { count - 1 - step };
                let neighbours = if down { &self.before } else { &self.after };
                for &vertex in &self.rows[layer] {
                    let near = &neighbours[vertex];
                    if !near.is_empty() {
                        rank[vertex] = near.iter().map(|&other| rank[other]).sum::<f32>() / near.len() as f32;
                    }
                }
                self.rows[layer].sort_by(|&a, &b| rank[a].total_cmp(&rank[b]));
                for (i, &vertex) in self.rows[layer].iter().enumerate() {
                    rank[vertex] = i as f32;
                }
            }
        }
    }

    /// Gives each vertex a place along its layer: as near as may be to the mean of its neighbours' places.
    fn place(&mut self) {
        for row in &self.rows {
            let mut end = 0.0;
            for &vertex in row {
                let vertex = &mut self.vertices[vertex];
                vertex.place = end + vertex.breadth / 2.0;
                end += vertex.breadth + NODE_GAP;
            }
            let middle = (end - NODE_GAP) / 2.0;
            for &vertex in row {
                self.vertices[vertex].place -= middle;
            }
        }
        for round in 0..PLACING_ROUNDS {
            let down = round % 2 == 0;
            let count = self.rows.len();
            for step in 0..count {
                let layer = if down { step } else { count - 1 - step };
                let row = &self.rows[layer];
                let neighbours = if down { &self.before } else { &self.after };
                let wanted: Vec<f32> = row
                    .iter()
                    .map(|&vertex| match neighbours[vertex].as_slice() {
                        [] => self.vertices[vertex].place,
                        near => near.iter().map(|&other| self.vertices[other].place).sum::<f32>() / near.len() as f32,
                    })
                    .collect();
                // Pushed apart once from the left and once from the right: the mean keeps the distances, too.
                let apart = |a: usize, b: usize| {
                    (self.vertices[row[a]].breadth + self.vertices[row[b]].breadth) / 2.0 + NODE_GAP
                };
                let mut left = wanted.clone();
                for i in 1..row.len() {
                    left[i] = left[i].max(left[i - 1] + apart(i - 1, i));
                }
                let mut right = wanted;
                for i in (1..row.len()).rev() {
                    right[i - 1] = right[i - 1].min(right[i] - apart(i - 1, i));
                }
                for (i, &vertex) in self.rows[layer].iter().enumerate() {
                    self.vertices[vertex].place = (left[i] + right[i]) / 2.0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Edge;

    fn drawing(nodes: usize, edges: &[(usize, usize)], direction: Direction) -> Drawing {
        let outline = |i| if i % 2 == 0 { Outline::Box } else { Outline::Circle };
        Drawing {
            nodes: (0..nodes)
                .map(|i| Node { label: "x".repeat(i % 9), outline: outline(i), ..Node::default() })
                .collect(),
            edges: edges.iter().map(|&(from, to)| Edge { from, to, label: None }).collect(),
            direction,
        }
    }

    #[test]
    fn nodes_do_not_overlap_and_stay_on_the_page() {
        let edges: Vec<(usize, usize)> = (1..60).map(|i| (i, (i - 1) / 2)).chain((20..40).map(|i| (i, 3))).collect();
        for direction in ["TB", "BT", "LR", "RL"] {
            let layout = Layout::of(&drawing(60, &edges, direction.parse().expect("known")));
            for (i, a) in layout.nodes.iter().enumerate() {
                assert!(a.centre.x - a.width / 2.0 >= 0.0 && a.centre.x + a.width / 2.0 <= layout.width);
                assert!(a.centre.y - a.height / 2.0 >= 0.0 && a.centre.y + a.height / 2.0 <= layout.height);
                for b in &layout.nodes[..i] {
                    let (dx, dy) = ((a.centre.x - b.centre.x).abs(), (a.centre.y - b.centre.y).abs());
                    assert!(dx >= (a.width + b.width) / 2.0 || dy >= (a.height + b.height) / 2.0, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn edges_lead_in_the_direction_asked_for() {
        let leads = |direction: &str| {
            let layout = Layout::of(&drawing(2, &[(0, 1)], direction.parse().expect("known")));
            let (from, to) = (layout.nodes[0].centre, layout.nodes[1].centre);
            (to.x - from.x, to.y - from.y)
        };
        assert!(leads("TB").1 > 0.0 && leads("BT").1 < 0.0);
        assert!(leads("LR").0 > 0.0 && leads("RL").0 < 0.0);
    }

    #[test]
    fn a_crossing_that_can_be_avoided_is() {
        let layout = Layout::of(&drawing(4, &[(0, 3), (1, 2)], Direction::TopToBottom));
        let x = |i: usize| layout.nodes[i].centre.x;
        assert_eq!(x(0) < x(1), x(3) < x(2));
    }
}
