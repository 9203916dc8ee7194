import { may, me } from "../api.ts";
import { change, parameters } from "../route.ts";
import { Title } from "../ui.tsx";
import { Now, Owners, Users } from "./limits.tsx";
import { SessionsByDay, Spend } from "./spend.tsx";
import { Approvals, Pool, Webhooks } from "./work.tsx";

const RANGES = [7, 30, 90];

/** What the deployment does and costs. Each card loads by itself, and needs a scope. */
export function Overview() {
  const wanted = Number(parameters.value.get("days"));
  const days = RANGES.includes(wanted) ? wanted : 30;
  return (
    <>
      <div class="title">
        <Title>Overview</Title>
        <fieldset class="switch" aria-label="Range">
          {RANGES.map((range) => (
            <button
              type="button"
              class="small"
              key={range}
              aria-pressed={range === days}
              onClick={() => change({ days: range === 30 ? "" : String(range) })}
            >
              {range} days
            </button>
          ))}
        </fieldset>
      </div>
      <div class="overview">
        {may("usage:read") && <Now />}
        {may("sessions:read") && <Approvals />}
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
