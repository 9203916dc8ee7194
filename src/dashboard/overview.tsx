export const Overview = () => <h1 tabIndex={-1}>Overview</h1>;
