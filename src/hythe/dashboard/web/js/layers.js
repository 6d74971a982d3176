// The layers of one packet, as hythe layers tells them: at its sender going down, at its receiver going up, then every field.

import {get} from "./api.js";
import {h, say, table} from "./dom.js";

const OCTETS = 8;
const RFC = /^RFC (\d+)(?:, (.*))?$/;

function ends(object) {
  return Object.entries(object).flatMap(([name, value], index) => [index ? h("br") : null, `${name} ${value}`]);
}

function bits(text) {
  const all = text.split(" ");
  if (all.length <= OCTETS) return h("span", {class: "mono"}, text);
  return h("details", {class: "mono"}, h("summary", null, `${all.slice(0, OCTETS).join(" ")} …`), all.slice(OCTETS).join(" "));
}

function side({side: who, direction, host, rows}) {
  const caption = `At the ${who}${host ? `, ${host}` : ""}, going ${direction} ${direction === "down" ? "↓" : "↑"}`;
  return table(caption, [["Layer"], ["Protocol"], ["PDU"], ["Info"], ["Ports, IPs, MACs, bits"]], rows.map((row) => [
    row.layer, row.protocol, row.pdu, row.info,
    row.layer === "Physical" ? bits(row.bits) : h("span", null, ends({...row.ports, ...row.ips, ...row.macs}))]));
}

function reference(text) {
  const found = RFC.exec(text);
  if (!found) return text;
  const section = found[2] ? `#section-${found[2]}` : "";
  return h("a", {href: `https://www.rfc-editor.org/rfc/rfc${found[1]}.html${section}`, rel: "noreferrer", target: "_blank"}, text);
}

function header(each) {
  const rows = each.fields.map((field) => [
    field.name, `${Math.floor(field.offset_bits / 8)}${field.offset_bits % 8 ? `.${field.offset_bits % 8}` : ""}`, String(field.width_bits),
    h("span", {class: "mono value"}, field.text), field.meaning, reference(field.reference)]);
  return h("details", null, h("summary", null, `${each.layer}: ${each.name}, ${each.size} bytes at byte ${each.offset}`),
    table(`Fields of ${each.name}`, [["Field"], ["Offset", 1], ["Bits", 1], ["Value"], ["Meaning"], ["Reference"]], rows));
}

/** An element, and `show(number)` to fill it with a packet. */
export function layersPane(path) {
  const element = h("section", {class: "layers", id: "layers", "aria-label": "Layers of the packet"},
    h("p", {class: "quiet"}, "Choose a packet to see its layers."));
  let wanted = null;

  async function show(number) {
    wanted = number;
    let made;
    try {
      const packet = await get(`${path}/packets/${number}`);
      made = [
        h("h2", null, `${number}. ${packet.title}, ${packet.source} to ${packet.destination}`),
        packet.broken ? h("p", {class: "quiet"}, `Shown as far as it was recorded: ${packet.broken}.`) : null,
        ...packet.tables.map(side),
        ...packet.headers.map(header),
        packet.payload ? h("details", null, h("summary", null, `Payload, ${packet.payload.length / 2} bytes`),
          h("p", {class: "mono value"}, packet.payload.replace(/(.{4})/g, "$1 "))) : null,
      ].filter(Boolean);
    } catch (error) {
      made = [h("p", {class: "bad"}, error.message)];
    }
    if (wanted !== number) return;
    element.replaceChildren(...made);
    say(made[0].textContent);
  }

  return {element, show};
}
