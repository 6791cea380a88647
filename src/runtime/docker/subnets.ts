/** Subnets of eight addresses, one a session, from the operator's range. Pure. */

export interface Subnet {
  /** `10.231.0.8/29` */
  cidr: string;
  /** The engine wants one; no bridge has it. */
  gateway: string;
  proxy: string;
  agent: string;
}

const bitsOfSubnet = 29;
const step = 2 ** (32 - bitsOfSubnet);

/** How many subnets the range holds, and the one at a place. */
export function subnetsOf(range: string): { count: number; at(index: number): Subnet } {
  const { base, bits } = parseRange(range);
  const count = 2 ** (bitsOfSubnet - bits);
  return {
    count,
    at: (index) => {
      const start = base + (index % count) * step;
      return {
        cidr: `${addressOf(start)}/${bitsOfSubnet}`,
        gateway: addressOf(start + 1),
        proxy: addressOf(start + 2),
        agent: addressOf(start + 3),
      };
    },
  };
}

/** The addresses of the one that a cidr of ours names. */
export function subnetOf(cidr: string): Subnet {
  return subnetsOf(cidr).at(0);
}

/** Whether `10.231.0.0/16` and the like is written as it should be. */
export function isRange(text: string): boolean {
  try {
    const { base, bits } = parseRange(text);
    if (Number(text.split("/")[1] ?? 32) > bitsOfSubnet) return false;
    return base % 2 ** (32 - bits) === 0;
  } catch {
    return false;
  }
}

export function overlaps(one: string, other: string): boolean {
  const [a, b] = [one, other].map(parseRange);
  if (!a || !b) return false;
  const size = 2 ** (32 - Math.min(a.bits, b.bits));
  return Math.floor(a.base / size) === Math.floor(b.base / size);
}

function parseRange(text: string): { base: number; bits: number } {
  const [address = "", length = "32"] = text.split("/");
  const octets = address.split(".").map(Number);
  const bits = Number(length);
  const isGood =
    octets.length === 4 &&
    octets.every((octet) => Number.isInteger(octet) && octet >= 0 && octet <= 255) &&
    Number.isInteger(bits) &&
    bits >= 0 &&
    bits <= bitsOfSubnet + 3;
  if (!isGood) throw new Error(`"${text}" is no IPv4 range`);
  return { base: octets.reduce((sum, octet) => sum * 256 + octet, 0), bits: Math.min(bits, bitsOfSubnet) };
}

function addressOf(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}
