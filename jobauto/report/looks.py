"""The style sheet of the HTML page; colours are variables that `theme` sets."""

CSS = """
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 48px }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 2px; overflow-wrap: anywhere }
h2 { font-size: 18px; margin: 0 0 8px }
p { margin: 4px 0 } .soft { color: var(--soft) }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 8px;
  padding: 16px 18px; margin-top: 16px; overflow: hidden }
.verdict { font-size: 18px; font-weight: 600; margin-top: 10px }
.wide { overflow-x: auto } .wide > svg { display: block }
.chart > svg { width: 100%; height: auto; min-width: 760px }
.tall { max-height: 640px; overflow: auto }
.bar { display: flex; gap: 2px; height: 20px; border-radius: 4px; overflow: hidden;
  margin: 12px 0 8px }
.bar svg { display: block; height: 20px; flex-basis: 0; min-width: 3px }
.counts { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr));
  gap: 4px 18px; margin: 0; padding: 0; list-style: none }
.counts li { display: flex; gap: 8px; align-items: baseline }
.counts b { min-width: 3ch; text-align: right } .counts > li > svg { flex: none; margin-top: 5px }
.counts > li { align-items: flex-start }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px;
  margin-top: 16px }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px;
  background: var(--paper) }
.tile b { display: block; font-size: 20px; line-height: 1.3 }
.tile span { color: var(--soft); font-size: 13px; line-height: 1.35; display: block }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 2px 0 8px; font-size: 13px }
.legend span { display: inline-flex; align-items: center; gap: 6px }
table { border-collapse: collapse; font-size: 14px; min-width: 100% }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; white-space: nowrap }
th { color: var(--soft); font-weight: 500 } th.n, td.n { text-align: right }
td.name { white-space: normal; overflow-wrap: anywhere; min-width: 12ch }
details { border-top: 1px solid var(--line); padding: 6px 0 } details:first-of-type { border: 0 }
.fact { white-space: nowrap } details details { padding-left: 14px }
summary { cursor: pointer; overflow-wrap: anywhere }
summary svg { vertical-align: -1px; margin-right: 4px }
pre { background: var(--band); border-radius: 6px; padding: 10px 12px; margin: 6px 0;
  overflow-x: auto; font-size: 12.5px; line-height: 1.4; max-height: 320px }
@media (max-width: 600px) {
  main { padding: 14px 10px 32px } section { padding: 12px }
  h1 { font-size: 20px } .verdict { font-size: 16px }
  .tiles { grid-template-columns: 1fr 1fr }
}
@media print { section { break-inside: avoid } .tall { max-height: none } }
"""
