//! A layout as SVG.

use std::fmt::Write;

use super::layout::{FONT_SIZE, LINE_HEIGHT, Layout};
use super::{Drawing, Outline, ink_on};

pub fn render(drawing: &Drawing, layout: &Layout) -> String {
    let (width, height) = (layout.width, layout.height);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.1} {height:.1}\" font-family=\"'Noto Sans Mono', 'DejaVu Sans Mono', monospace\" \
         font-size=\"{FONT_SIZE}\" text-anchor=\"middle\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 10 8\" refX=\"10\" refY=\"4\" markerWidth=\"9\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0L10 4L0 8z\"/></marker></defs>\n\
         <path d=\"M0 0h{width:.1}v{height:.1}H0z\" fill=\"white\"/>\n"
    );
    for (edge, line) in drawing.edges.iter().zip(&layout.edges) {
        let mut path = String::new();
        for (i, point) in line.iter().enumerate() {
            let command = match i {
                0 => "M",
                i if i % 3 == 1 => "C",
                _ => " ",
            };
            let _ = write!(path, "{command}{:.1} {:.1}", point.x, point.y);
        }
        let _ = writeln!(
            svg,
            "<path class=\"edge\" d=\"{path}\" fill=\"none\" stroke=\"black\" marker-end=\"url(#tip)\"/>"
        );
        if let Some(label) = &edge.label {
            let middle = line[line.len() / 2];
            let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", middle.x, middle.y, escaped(label));
        }
    }
    for (node, placed) in drawing.nodes.iter().zip(&layout.nodes) {
        let fill = node.fill.map_or("white".to_string(), |fill| fill.to_string());
        let (x, y) = (placed.centre.x, placed.centre.y);
        svg += "<g>";
        if let Some(tooltip) = &node.tooltip {
            let _ = write!(svg, "<title>{}</title>", escaped(tooltip));
        }
        let _ = match node.outline {
            Outline::Box => write!(
                svg,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{fill}\" stroke=\"black\"/>",
                x - placed.width / 2.0,
                y - placed.height / 2.0,
                placed.width,
                placed.height
            ),
            Outline::Circle => write!(
                svg,
                "<ellipse cx=\"{x:.1}\" cy=\"{y:.1}\" rx=\"{:.1}\" ry=\"{:.1}\" fill=\"{fill}\" stroke=\"black\"/>",
                placed.width / 2.0,
                placed.height / 2.0
            ),
        };
        let ink = ink_on(node.fill);
        for (i, text) in placed.lines.iter().enumerate() {
            // The baseline lies about a third of the font's size below the middle of a line.
            let line = i as f32 - (placed.lines.len() as f32 - 1.0) / 2.0;
            let baseline = y + line * LINE_HEIGHT + FONT_SIZE * 0.34;
            let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{baseline:.1}\" fill=\"{ink}\">{}</text>", escaped(text));
        }
        svg += "</g>\n";
    }
    svg += "</svg>\n";
    svg
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            // Not allowed in XML at all.
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
