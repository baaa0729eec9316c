//! Pictures of graphs: DOT text, SVG and PNG, made here so that no system package is needed.
//!
//! Knows a plain list of nodes and edges, so that any caller can draw what it likes.

mod layout;
mod png;
mod svg;

use std::fmt::Write;
use std::str::FromStr;

/// Nodes that are laid out at most: nobody can read more.
pub const NODES_MAX: usize = 5_000;
/// Edges that are laid out at most.
pub const EDGES_MAX: usize = 50_000;

/// Outline of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Outline {
    /// Data.
    #[default]
    Box,
    /// A function.
    Circle,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Colour {
    pub red: u8,
    pub green: u8,
    pub blue: u8,
}

impl FromStr for Colour {
    type Err = DrawError;

    /// `#rrggbb`
    fn from_str(text: &str) -> Result<Colour, DrawError> {
        let unknown = || DrawError::Colour { text: text.to_string() };
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or_else(unknown)?;
        let value = u32::from_str_radix(digits, 16).map_err(|_| unknown())?;
        Ok(Colour { red: (value >> 16) as u8, green: (value >> 8) as u8, blue: value as u8 })
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Node {
    pub label: String,
    pub outline: Outline,
    pub fill: Option<Colour>,
    /// Shown when the pointer rests on the node, in SVG.
    pub tooltip: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub label: Option<String>,
}

/// Where edges lead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Direction {
    TopToBottom,
    #[default]
    BottomToTop,
    LeftToRight,
    RightToLeft,
}

impl Direction {
    /// The name that DOT knows as `rankdir`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::TopToBottom => "TB",
            Direction::BottomToTop => "BT",
            Direction::LeftToRight => "LR",
            Direction::RightToLeft => "RL",
        }
    }
}

impl FromStr for Direction {
    type Err = DrawError;

    fn from_str(text: &str) -> Result<Direction, DrawError> {
        let all = [Direction::TopToBottom, Direction::BottomToTop, Direction::LeftToRight, Direction::RightToLeft];
        let found = all.into_iter().find(|direction| direction.name() == text);
        found.ok_or_else(|| DrawError::Direction { text: text.to_string() })
    }
}

/// A graph to be drawn.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    pub direction: Direction,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    #[error("colour '{text}': must be like '#1f77b4'")]
    Colour { text: String },
    #[error("rankdir '{text}': must be 'TB', 'BT', 'LR' or 'RL'")]
    Direction { text: String },
    #[error("edge {edge} joins nodes {from} and {to} of {nodes}")]
    Edge { edge: usize, from: usize, to: usize, nodes: usize },
    #[error("a graph of {nodes} nodes and {edges} edges is too large to be drawn; at most {NODES_MAX} and {EDGES_MAX}")]
    TooLarge { nodes: usize, edges: usize },
    #[error("the picture could not be encoded as PNG: {reason}")]
    Png { reason: String },
}

impl DrawError {
    pub fn class(&self) -> raskr_base::ErrorClass {
        match self {
            DrawError::Png { .. } => raskr_base::ErrorClass::Internal,
            _ => raskr_base::ErrorClass::Value,
        }
    }
}

impl Drawing {
    fn check(&self) -> Result<(), DrawError> {
        let nodes = self.nodes.len();
        let wrong = self.edges.iter().position(|edge| edge.from >= nodes || edge.to >= nodes);
        wrong.map_or(Ok(()), |edge| {
            Err(DrawError::Edge { edge, from: self.edges[edge].from, to: self.edges[edge].to, nodes })
        })
    }

    fn laid_out(&self) -> Result<layout::Layout, DrawError> {
        self.check()?;
        if self.nodes.len() > NODES_MAX || self.edges.len() > EDGES_MAX {
            return Err(DrawError::TooLarge { nodes: self.nodes.len(), edges: self.edges.len() });
        }
        Ok(layout::Layout::of(self))
    }

    /// The graph in Graphviz' language, of any size.
    pub fn to_dot(&self) -> Result<String, DrawError> {
        self.check()?;
        let mut text = format!("digraph {{\n  rankdir={}\n", self.direction.name());
        for (i, node) in self.nodes.iter().enumerate() {
            let shape = match node.outline {
                Outline::Box => "box",
                Outline::Circle => "circle",
            };
            let _ = write!(text, "  {i} [label={} shape={shape}", quoted(&node.label));
            if let Some(fill) = node.fill {
                let _ = write!(text, " style=filled fillcolor=\"{fill}\"");
            }
            if let Some(tooltip) = &node.tooltip {
                let _ = write!(text, " tooltip={}", quoted(tooltip));
            }
            text += "]\n";
        }
        for edge in &self.edges {
            let _ = write!(text, "  {} -> {}", edge.from, edge.to);
            if let Some(label) = &edge.label {
                let _ = write!(text, " [label={}]", quoted(label));
            }
            text += "\n";
        }
        text += "}\n";
        Ok(text)
    }

    pub fn to_svg(&self) -> Result<String, DrawError> {
        Ok(svg::render(self, &self.laid_out()?))
    }

    pub fn to_png(&self) -> Result<Vec<u8>, DrawError> {
        png::render(self, &self.laid_out()?)
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Black or white, whichever is read better on the fill.
fn ink_on(fill: Option<Colour>) -> Colour {
    let dark = fill.is_some_and(|fill| {
        299 * u32::from(fill.red) + 587 * u32::from(fill.green) + 114 * u32::from(fill.blue) < 110_000
    });
    let level = if dark { 255 } else { 0 };
    Colour { red: level, green: level, blue: level }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(direction: Direction) -> Drawing {
        let node = |label: &str, outline| Node { label: label.into(), outline, ..Node::default() };
        Drawing {
            nodes: vec![
                node("inc", Outline::Circle),
                node("x < \"1\"", Outline::Box),
                node("add", Outline::Circle),
                Node { fill: Some(Colour { red: 20, green: 30, blue: 90 }), ..node("out\nput", Outline::Box) },
            ],
            edges: [(0, 1), (1, 2), (0, 2), (2, 3)]
                .map(|(from, to)| Edge { from, to, label: (from == 2).then(|| "a & b".to_string()) })
                .into(),
            direction,
        }
    }

    #[test]
    fn dot_quotes_what_it_must() {
        let dot = small(Direction::LeftToRight).to_dot().expect("small");
        assert!(dot.starts_with("digraph {\n  rankdir=LR\n"));
        assert!(dot.contains("1 [label=\"x < \\\"1\\\"\" shape=box]"), "{dot}");
        assert!(dot.contains("3 [label=\"out\\nput\" shape=box style=filled fillcolor=\"#141e5a\"]"), "{dot}");
        assert!(dot.contains("2 -> 3 [label=\"a & b\"]"), "{dot}");
    }

    #[test]
    fn svg_has_all_nodes_edges_and_escaped_labels() {
        for direction in ["TB", "BT", "LR", "RL"] {
            let svg = small(direction.parse().expect("known")).to_svg().expect("small");
            assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{svg}");
            assert!(svg.trim_end().ends_with("</svg>"));
            let count = |what: &str| svg.matches(what).count();
            assert_eq!((count("<ellipse"), count("<rect"), count("class=\"edge\"")), (2, 2, 4), "{svg}");
            assert!(svg.contains("x &lt; &quot;1&quot;") && svg.contains("a &amp; b"), "{svg}");
        }
    }

    #[test]
    fn png_has_its_size_and_ink() {
        let png = small(Direction::BottomToTop).to_png().expect("small");
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let picture = tiny_skia::Pixmap::decode_png(&png).expect("a picture");
        let is = |red, green, blue| {
            let like = |p: &tiny_skia::PremultipliedColorU8| (p.red(), p.green(), p.blue()) == (red, green, blue);
            picture.pixels().iter().filter(|pixel| like(pixel)).count()
        };
        assert!(is(255, 255, 255) > 1000 && is(0, 0, 0) > 100, "paper and ink");
        assert!(is(20, 30, 90) > 1000, "the filled box");
    }

    #[test]
    fn a_very_wide_picture_is_scaled_down() {
        let nodes = vec![Node { label: "n".repeat(40), ..Node::default() }; 60];
        let png = Drawing { nodes, ..Drawing::default() }.to_png().expect("within limits");
        let picture = tiny_skia::Pixmap::decode_png(&png).expect("a picture");
        assert!((15_000..=16_001).contains(&picture.width()), "{}", picture.width());
    }

    #[test]
    fn wrong_and_huge_graphs_are_refused_in_words() {
        let mut drawing = small(Direction::default());
        drawing.edges.push(Edge { from: 1, to: 9, label: None });
        assert_eq!(drawing.to_svg().expect_err("no node 9").to_string(), "edge 4 joins nodes 1 and 9 of 4");
        drawing.edges.pop();
        drawing.nodes.resize(NODES_MAX + 1, Node::default());
        assert!(drawing.to_dot().is_ok());
        let text = drawing.to_png().expect_err("too large").to_string();
        assert!(text.starts_with("a graph of 5001 nodes and 4 edges is too large"), "{text}");
        assert_eq!(
            "up".parse::<Direction>().expect_err("unknown").to_string(),
            "rankdir 'up': must be 'TB', 'BT', 'LR' or 'RL'"
        );
        assert!("#12345g".parse::<Colour>().is_err());
    }

    #[test]
    fn the_largest_graph_is_laid_out_even_with_cycles() {
        let nodes = vec![Node { label: "n".into(), ..Node::default() }; NODES_MAX];
        let edges = (0..NODES_MAX).map(|to| Edge { from: (to * 7 + 3) % NODES_MAX, to, label: None }).collect();
        let drawing = Drawing { nodes, edges, direction: Direction::TopToBottom };
        assert_eq!(drawing.to_svg().expect("within limits").matches("<rect").count(), NODES_MAX);
        assert!(Drawing::default().to_png().is_ok(), "nothing can be drawn, too");
    }
}
