//! A layout as PNG: shapes by `tiny-skia`, text by glyphs of Noto Sans Mono that come ready-drawn with a crate.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use tiny_skia::{
    Color, FillRule, FilterQuality, Paint, Path, PathBuilder, Pixmap, PixmapPaint, PremultipliedColorU8, Rect, Stroke,
    Transform,
};

use super::layout::{CHARACTER_WIDTH, LINE_HEIGHT, Layout, Point};
use super::{Colour, DrawError, Drawing, Outline, ink_on};

/// Pixels of the picture for one of the layout's, when there is room.
const SCALE: f32 = 1.5;
/// The most pixels along a side, and in all.
const SIDE_MAX: f32 = 16_000.0;
const PIXELS_MAX: f32 = 25e6;
const GLYPH_HEIGHT: RasterHeight = RasterHeight::Size24;
const GLYPH_WEIGHT: FontWeight = FontWeight::Regular;
const BLACK: Colour = Colour { red: 0, green: 0, blue: 0 };

pub fn render(drawing: &Drawing, layout: &Layout) -> Result<Vec<u8>, DrawError> {
    let side = SIDE_MAX / layout.width.max(layout.height);
    let area = (PIXELS_MAX / (layout.width * layout.height)).sqrt();
    let scale = SCALE.min(side).min(area);
    let unmade = || DrawError::Png { reason: format!("no memory for {} by {} pixels", layout.width, layout.height) };
    let pixels = |length: f32| (length * scale).ceil().max(1.0) as u32;
    let mut page = Pixmap::new(pixels(layout.width), pixels(layout.height)).ok_or_else(unmade)?;
    page.fill(Color::WHITE);
    let transform = Transform::from_scale(scale, scale);
    let stroke = Stroke { width: 1.0, ..Stroke::default() };
    for (edge, line) in drawing.edges.iter().zip(&layout.edges) {
        if let Some(path) = curve(line) {
            page.stroke_path(&path, &paint(BLACK), &stroke, transform, None);
        }
        if let Some(tip) = tip(line) {
            page.fill_path(&tip, &paint(BLACK), FillRule::Winding, transform, None);
        }
        if let Some(label) = &edge.label {
            write(&mut page, label, line[line.len() / 2], scale, BLACK);
        }
    }
    for (node, placed) in drawing.nodes.iter().zip(&layout.nodes) {
        let centre = placed.centre;
        let left_top = (centre.x - placed.width / 2.0, centre.y - placed.height / 2.0);
        let Some(bounds) = Rect::from_xywh(left_top.0, left_top.1, placed.width, placed.height) else { continue };
        let outline = match node.outline {
            Outline::Box => Some(PathBuilder::from_rect(bounds)),
            Outline::Circle => PathBuilder::from_oval(bounds),
        };
        if let Some(outline) = outline {
            let fill = node.fill.unwrap_or(Colour { red: 255, green: 255, blue: 255 });
            page.fill_path(&outline, &paint(fill), FillRule::Winding, transform, None);
            page.stroke_path(&outline, &paint(BLACK), &stroke, transform, None);
        }
        for (i, text) in placed.lines.iter().enumerate() {
            let line = i as f32 - (placed.lines.len() as f32 - 1.0) / 2.0;
            let at = Point { x: centre.x, y: centre.y + line * LINE_HEIGHT };
            write(&mut page, text, at, scale, ink_on(node.fill));
        }
    }
    page.encode_png().map_err(|error| DrawError::Png { reason: error.to_string() })
}

fn paint(colour: Colour) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(colour.red, colour.green, colour.blue, 255);
    paint
}

fn curve(line: &[Point]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    let (first, rest) = line.split_first()?;
    builder.move_to(first.x, first.y);
    for step in rest.chunks_exact(3) {
        builder.cubic_to(step[0].x, step[0].y, step[1].x, step[1].y, step[2].x, step[2].y);
    }
    builder.finish()
}

/// The arrow's head, along the line's last tangent.
fn tip(line: &[Point]) -> Option<Path> {
    let [.., before, end] = line else { return None };
    let (dx, dy) = (end.x - before.x, end.y - before.y);
    let length = (dx * dx + dy * dy).sqrt();
    if length == 0.0 {
        return None;
    }
    let (ux, uy) = (dx / length, dy / length);
    let (back_x, back_y) = (end.x - 9.0 * ux, end.y - 9.0 * uy);
    let mut builder = PathBuilder::new();
    builder.move_to(end.x, end.y);
    builder.line_to(back_x - 3.5 * uy, back_y + 3.5 * ux);
    builder.line_to(back_x + 3.5 * uy, back_y - 3.5 * ux);
    builder.close();
    builder.finish()
}

/// Writes a line of text about a point.
fn write(page: &mut Pixmap, text: &str, centre: Point, scale: f32, ink: Colour) {
    let (glyph_width, glyph_height) = (get_raster_width(GLYPH_WEIGHT, GLYPH_HEIGHT), GLYPH_HEIGHT.val());
    let characters = text.chars().count();
    let Some(mut strip) = Pixmap::new((characters * glyph_width) as u32, glyph_height as u32) else { return };
    let row_length = characters * glyph_width;
    for (i, character) in text.chars().enumerate() {
        let glyph =
            get_raster(character, GLYPH_WEIGHT, GLYPH_HEIGHT).or_else(|| get_raster('?', GLYPH_WEIGHT, GLYPH_HEIGHT));
        let Some(glyph) = glyph else { continue };
        for (y, row) in glyph.rows().enumerate() {
            for (x, &cover) in row.iter().enumerate() {
                let part = |level: u8| (u16::from(level) * u16::from(cover) / 255) as u8;
                let (red, green, blue) = (part(ink.red), part(ink.green), part(ink.blue));
                if let Some(pixel) = PremultipliedColorU8::from_rgba(red, green, blue, cover) {
                    strip.pixels_mut()[y * row_length + i * glyph_width + x] = pixel;
                }
            }
        }
    }
    let zoom = CHARACTER_WIDTH * scale / glyph_width as f32;
    let left = centre.x * scale - row_length as f32 * zoom / 2.0;
    let top = centre.y * scale - glyph_height as f32 * zoom / 2.0;
    let transform = Transform::from_row(zoom, 0.0, 0.0, zoom, left, top);
    let quality = PixmapPaint { quality: FilterQuality::Bilinear, ..PixmapPaint::default() };
    page.draw_pixmap(0, 0, strip.as_ref(), &quality, transform, None);
}
