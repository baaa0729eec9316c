//! The page's files, which are part of the program: nothing is fetched from elsewhere, and nothing in them is filled in.

pub(crate) const HTML: &str = include_str!("page/index.html");
pub(crate) const STYLE: &str = include_str!("page/page.css");
/// In the order in which they are loaded.
pub(crate) const SCRIPTS: [(&str, &str); 3] = [
    ("words.js", include_str!("page/words.js")),
    ("stream.js", include_str!("page/stream.js")),
    ("page.js", include_str!("page/page.js")),
];

/// What those see who may not look.
pub(crate) fn refusal(words: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>raskr</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><h1>raskr</h1><p>{words}</p>\
         <p>If this browser has been here before, <a href=\"status\">try again</a>.</p></html>\n"
    )
}
