import * as React from 'react';

interface IProps<Id extends string> {
  /** What all of them are about. */
  label: string;
  tabs: readonly { id: Id; label: string; panel: string }[];
  chosen: Id;
  choose: (id: Id) => void;
}

/** Choice of one of several views, as tabs: the arrow keys move along them. */
export function Tabs<Id extends string>({ label, tabs, chosen, choose }: IProps<Id>) {
  const move = (event: React.KeyboardEvent<HTMLElement>): void => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
    const at = tabs.findIndex(tab => tab.id === chosen) + step;
    if (step !== 0 && tabs[at] !== undefined) {
      event.preventDefault();
      choose(tabs[at].id);
      (event.currentTarget.children[at] as HTMLElement).focus();
    }
  };
  return (
    <div className="jp-dllab-Tabs" role="tablist" aria-label={label} onKeyDown={move}>
      {tabs.map(tab => (
        <button
          key={tab.id}
          type="button"
          role="tab"
          className="jp-dllab-Tab"
          aria-selected={tab.id === chosen}
          aria-controls={tab.panel}
          tabIndex={tab.id === chosen ? 0 : -1}
          onClick={() => choose(tab.id)}
        >
          {tab.label}
        </button>
      ))}
    </div>
  );
}
