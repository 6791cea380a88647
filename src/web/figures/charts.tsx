/** Two small kinds of chart, drawn here: values in time, and values side by side. Each also says its figures in words. */
import { countText } from "../text/format.ts";

const width = 300;
const height = 80;
const barsMax = 14;

interface ChartProps {
  title: string;
  now: string;
}

export function Line({ title, now, values }: ChartProps & { values: readonly number[] }) {
  const max = Math.max(1, ...values);
  const step = width / Math.max(1, values.length - 1);
  const points = values.map(
    (value, at) => `${(at * step).toFixed(1)},${(height - (value / max) * (height - 4)).toFixed(1)}`,
  );
  return (
    <figure class="chart">
      <Caption title={title} now={now} />
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}: now ${now}, at most ${countText(max)}`}
      >
        {points.length > 1 && <polygon points={`0,${height} ${points.join(" ")} ${width},${height}`} />}
        {points.length > 1 && <polyline points={points.join(" ")} />}
      </svg>
      <p class="dim">at most {countText(max)}</p>
    </figure>
  );
}

export function Bars(
  props: ChartProps & { bars: readonly { label: string; value: number }[]; text(value: number): string },
) {
  const bars = props.bars.slice(-barsMax);
  const max = Math.max(0.000001, ...bars.map(({ value }) => value));
  return (
    <figure class="chart">
      <Caption title={props.title} now={props.now} />
      {bars.length === 0 && <p class="dim">Nothing yet.</p>}
      <table class="bars">
        <tbody>
          {bars.map(({ label, value }) => (
            <tr key={label}>
              <th scope="row">{label}</th>
              <td class="bar">
                <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                  <rect x={0} y={1} width={(value / max) * 100} height={8} />
                </svg>
              </td>
              <td>{props.text(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

function Caption({ title, now }: ChartProps) {
  return (
    <figcaption>
      {title} <strong>{now}</strong>
    </figcaption>
  );
}
