//! The picture in README.md: a terminal, drawn from what the program prints in a real repository.
//!
//! `TRYCMD=overwrite` draws it again.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use roxmltree::Document;

use crate::support::{BAKSTOP, Ran, Sandbox, path_without_bakstop};

/// Columns of the terminal. More would be too small to read on a phone.
const COLUMNS: usize = 72;
/// The size of the font in pixels.
const FONT: usize = 14;
/// Tenths of a pixel: the widest of the usual fonts advances by 0.61 of its size.
const ADVANCE: usize = 86;
/// Pixels.
const LINE: usize = 19;
const MARGIN: usize = 18;
const STYLE: &str = "\
rect{fill:#fff;stroke:#d1d9e0}
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
white-space:pre;fill:#1f2328}
.dim{fill:#59636e}.red{fill:#c4161c}.green{fill:#116329}.yellow{fill:#7d4e00}.bold{font-weight:700}
@media(prefers-color-scheme:dark){
rect{fill:#0d1117;stroke:#3d444d}
text{fill:#f0f6fc}
.dim{fill:#9198a1}.red{fill:#ff7b72}.green{fill:#56d364}.yellow{fill:#e3b341}
}
";

/// The commands in the picture, with the exit code of each.
const COMMANDS: [(&str, i32); 2] =
    [("git commit -am 'Upgrade pnpm'", 1), ("bakstop pins --set", 0)];

/// A character with the classes of its style, such as `red bold`.
type Cell = (char, String);

/// The lines of a text with the colours of a terminal, without the escape sequences.
fn lines(text: &str) -> Vec<Vec<Cell>> {
    let mut lines = vec![Vec::new()];
    let mut style: Vec<&str> = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\n' => lines.push(Vec::new()),
            '\x1b' => {
                let sequence: String = rest.by_ref().take_while(|c| *c != 'm').collect();
                for code in sequence.strip_prefix('[').expect("an SGR sequence").split(';') {
                    match code {
                        "0" => style.clear(),
                        "1" => style.push("bold"),
                        "2" => style.push("dim"),
                        "31" => style.push("red"),
                        "32" => style.push("green"),
                        "33" => style.push("yellow"),
                        _ => panic!("the picture has no colour {code}"),
                    }
                }
            }
            _ => {
                assert!(!character.is_control(), "{character:?} cannot be drawn");
                lines.last_mut().unwrap().push((character, style.join(" ")));
            }
        }
    }
    lines
}

/// A line as a terminal of [`COLUMNS`] shows it: continued on the next one, after a space if it has
/// one.
fn wrapped(mut line: Vec<Cell>) -> Vec<Vec<Cell>> {
    let mut parts = Vec::new();
    while line.len() > COLUMNS {
        let space = line[..COLUMNS].iter().rposition(|(character, _)| *character == ' ');
        let rest = line.split_off(space.map_or(COLUMNS, |at| at + 1));
        parts.push(std::mem::replace(&mut line, rest));
    }
    parts.push(line);
    parts
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Draws a text with the colours of a terminal. The picture has no script and loads nothing.
fn draw(title: &str, text: &str) -> String {
    let lines: Vec<Vec<Cell>> = lines(text.trim_end()).into_iter().flat_map(wrapped).collect();
    let width = COLUMNS * ADVANCE / 10 + 2 * MARGIN;
    let height = lines.len() * LINE + 2 * MARGIN;
    let title = escaped(title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        width - 1,
        height - 1
    );
    for (row, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let y = MARGIN + row * LINE + FONT;
        write!(svg, "<text x=\"{MARGIN}\" y=\"{y}\" xml:space=\"preserve\">").unwrap();
        for part in line.chunk_by(|a, b| a.1 == b.1) {
            let text: String = part.iter().map(|(character, _)| *character).collect();
            match &*part[0].1 {
                "" => svg += &escaped(&text),
                style => {
                    write!(svg, "<tspan class=\"{style}\">{}</tspan>", escaped(&text)).unwrap();
                }
            }
        }
        svg += "</text>\n";
    }
    svg + "</svg>\n"
}

/// A workspace in which one of two pins has been moved.
fn scene() -> Sandbox {
    let sandbox = Sandbox::workspace();
    let dockerfile = "FROM node:22-slim\nRUN npm install -g pnpm@10.6.5\n";
    sandbox.write("Dockerfile", dockerfile);
    sandbox.commit_all("Add an image");

    // In the usual place, so that there is no warning about a program in a build directory.
    let bin = sandbox.home().join(".local/bin");
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(BAKSTOP, bin.join("bakstop")).unwrap();
    let installed = sandbox.run(bin.join("bakstop"), &["install"]);
    assert_eq!(installed.code, Some(0), "{installed:?}");

    let manifest = fs::read_to_string(sandbox.top.join("package.json")).unwrap();
    sandbox.write("package.json", manifest.replace("10.6.5", "10.8.0"));
    sandbox
}

/// The commands and what they print, in order, as on a terminal.
fn session(sandbox: &Sandbox) -> String {
    let mut path = sandbox.home().join(".local/bin").into_os_string();
    path.push(":");
    path.push(path_without_bakstop());
    COMMANDS
        .map(|(line, code)| {
            let mut command = sandbox.command("sh");
            // Both streams in one, as a terminal shows them.
            command.args(["-c", &format!("exec 2>&1; {line}")]);
            command.env("PATH", &path).env("CLICOLOR_FORCE", "1");
            let ran: Ran = command.output().unwrap().into();
            assert_eq!(ran.code, Some(code), "{line}: {ran:?}");
            format!("\x1b[2m$\x1b[0m \x1b[1m{line}\x1b[0m\n{}", ran.out)
        })
        .join("\n")
}

/// All text of a picture, a line for each of its lines that is not empty.
fn text_of(picture: &Document<'_>) -> Vec<String> {
    let lines = picture.descendants().filter(|node| node.has_tag_name("text"));
    let texts = |node: roxmltree::Node<'_, '_>| {
        node.descendants()
            .filter(roxmltree::Node::is_text)
            .filter_map(|n| n.text().map(str::to_owned))
            .collect()
    };
    lines.map(texts).collect()
}

#[test]
fn the_picture_shows_what_the_program_prints() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/picture.svg");
    let drawn = draw("bakstop blocks a commit, and moves a forgotten pin", &session(&scene()));
    if std::env::var_os("TRYCMD").is_some_and(|mode| mode == "overwrite") {
        fs::write(&file, &drawn).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap();
    assert_eq!(committed, drawn, "draw it again: TRYCMD=overwrite cargo test --test it picture");

    let picture = Document::parse(&drawn).unwrap();
    let shown = text_of(&picture).join("\n");
    for (command, _) in COMMANDS {
        assert!(shown.contains(&format!("$ {command}\n")), "{shown}");
    }
    assert!(shown.contains("the commit is blocked") && shown.contains("10.6.5 -> 10.8.0"));
    let elements = ["svg", "title", "style", "rect", "text", "tspan"];
    for node in picture.descendants().filter(roxmltree::Node::is_element) {
        assert!(elements.contains(&node.tag_name().name()), "{node:?}");
        for attribute in node.attributes() {
            let plain = ["width", "height", "viewBox", "role", "x", "y", "rx", "class", "space"];
            assert!(plain.contains(&attribute.name()), "{attribute:?}");
        }
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains('<'));
}

#[test]
fn a_picture_escapes_and_wraps_what_it_draws() {
    let hostile = "</text><script>alert(1)</script> & \x1b[31;1m\"]]>\x1b[0m";
    let drawn = draw("<a & b>", &format!("{hostile}\n\n{}\n{}", "ab ".repeat(30), "x".repeat(80)));
    let picture = Document::parse(&drawn).unwrap();
    assert!(picture.descendants().all(|node| !node.has_tag_name("script")));
    let expected = [
        "</text><script>alert(1)</script> & \"]]>".to_owned(),
        "ab ".repeat(24),
        "ab ".repeat(6).trim_end().to_owned() + " ",
        "x".repeat(72),
        "x".repeat(8),
    ];
    assert_eq!(text_of(&picture), expected);
    let red = picture.descendants().find(|node| node.attribute("class") == Some("red bold"));
    assert_eq!(red.and_then(|node| node.text()), Some("\"]]>"));
    for unknown in ["\x1b[5mx", "\x1b]0;title\x07", "a\tb"] {
        assert!(std::panic::catch_unwind(|| draw("", unknown)).is_err(), "{unknown:?}");
    }
}
