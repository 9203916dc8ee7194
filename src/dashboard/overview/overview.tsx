import { may, me } from "../api.ts";
import { change, parameters } from "../route.ts";
import { Empty, Title } from "../ui.tsx";
import { Now, Owners, Users } from "./limits.tsx";
import { SessionsByDay, Spend } from "./spend.tsx";
import { WaitingCalls } from "./waiting.tsx";
import { Pool, Webhooks } from "./work.tsx";

const RANGES = [7, 30, 90];

/** Returns whether the caller may see a part of the overview. */
export const seesOverview = (): boolean =>
  may("usage:read") || may("sessions:read") || may("webhooks:write");

const Ranges = ({ current }: { current: number }) => (
  <fieldset class="switch" aria-label="Range">
    {RANGES.map((days) => (
      <button
        type="button"
        class="small"
        key={days}
        aria-pressed={days === current}
        onClick={() => change({ days: days === 30 ? "" : String(days) })}
      >
        {days} days
      </button>
    ))}
  </fieldset>
);

/** What the deployment does and costs. Each card loads by itself, and needs a scope. */
export function Overview() {
  const wanted = Number(parameters.value.get("days"));
  const days = RANGES.includes(wanted) ? wanted : 30;
  return (
    <>
      <div class="title">
        <Title>Overview</Title>
        {may("usage:read") && <Ranges current={days} />}
      </div>
      {!seesOverview() && <Empty title="Your key has no scope for what is shown here." />}
      <div class="overview">
        {may("usage:read") && <Now />}
        {may("sessions:read") && <WaitingCalls />}
        {may("usage:read") && <Spend days={days} />}
        {may("usage:read") && <SessionsByDay days={days} />}
        {may("usage:read") && <Users />}
        {me.value?.admin && <Owners />}
        {may("webhooks:write") && <Webhooks />}
        {may("sessions:read") && <Pool />}
      </div>
    </>
  );
}
