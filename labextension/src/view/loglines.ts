import { Widget } from '@lumino/widgets';
import type { Message } from '@lumino/messaging';
import type { IBlock, LogBuffer } from '../model/logbuffer';

/** Nearer to the end than this, in pixels, is at the end. */
const NEAR = 16;

/**
 * The text of a log. One element per block, laid out by the browser only while it is in sight;
 * only text nodes are made. Stays at the end unless the person has scrolled away from it.
 */
export class LogLines extends Widget {
  /**
   * @param _buffer What is shown.
   * @param label Name for screen readers.
   * @param _onFollow Called when following the end starts or stops.
   */
  constructor(
    private readonly _buffer: LogBuffer,
    label: string,
    private readonly _onFollow: () => void
  ) {
    super();
    this.addClass('jp-dllab-LogLines');
    this.node.setAttribute('role', 'log');
    this.node.setAttribute('aria-live', 'off');
    this.node.setAttribute('aria-label', label);
    this.node.tabIndex = 0;
  }

  /** Whether the end is kept in sight. */
  get follows(): boolean {
    return this._follows;
  }

  /** Start or stop to keep the end in sight. */
  set follows(follows: boolean) {
    if (follows !== this._follows) {
      this._follows = follows;
      this._onFollow();
    }
    this._pin();
  }

  /** Make the elements what the buffer says. */
  draw(): void {
    const { blocks } = this._buffer;
    const wanted = new Set(blocks.map(block => block.id));
    const before = this.node.scrollHeight;
    const top = this.node.scrollTop;
    for (const [id, text] of this._texts) {
      if (!wanted.has(id)) {
        text.parentElement!.remove();
        this._texts.delete(id);
      }
    }
    let grownAbove = false;
    let place: Element | null = this.node.firstElementChild;
    for (const block of blocks) {
      const text = this._texts.get(block.id);
      if (text === undefined) {
        grownAbove ||= place !== null;
        this.node.insertBefore(this._make(block), place);
      } else {
        update(text, block.text);
        place = text.parentElement!.nextElementSibling;
      }
    }
    if (!this._follows && grownAbove) {
      this.node.scrollTop = top + this.node.scrollHeight - before; // What was read stays in place.
    }
    this._pin();
  }

  /**
   * Bring a line into sight and mark a text in it; the end is followed no more.
   *
   * @param place How many characters stand before the line.
   */
  reveal(place: number, text: string): void {
    this.draw();
    this.follows = false;
    let at = place;
    const block = this._buffer.blocks.find(block => {
      const isHere = at < block.text.length;
      at -= isHere ? 0 : block.text.length;
      return isHere;
    });
    const node = block && this._texts.get(block.id);
    if (node === undefined) {
      return;
    }
    const found = node.data.toLowerCase().indexOf(text.toLowerCase(), at);
    const range = document.createRange();
    range.setStart(node, Math.max(at, found));
    range.setEnd(node, found < 0 ? at : Math.min(node.length, found + text.length));
    node.parentElement!.scrollIntoView({ block: 'nearest' }); // Only what is in sight is laid out.
    const { top } = range.getBoundingClientRect();
    this.node.scrollTop += top - this.node.getBoundingClientRect().top - this.node.clientHeight / 3;
    this._top = this.node.scrollTop;
    // Browsers without it show the line all the same.
    if (typeof Highlight !== 'undefined') {
      CSS.highlights.set('jp-dllab-match', new Highlight(range));
    }
  }

  /** The text was scrolled, by the person or because its layout became known. */
  handleEvent(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.node;
    if (clientHeight === 0) {
      return;
    }
    if (scrollHeight - scrollTop - clientHeight < NEAR) {
      this.follows = true;
    } else if (scrollTop < this._top && scrollHeight >= this._height) {
      this.follows = false;
    }
    this._pin();
  }

  protected override onUpdateRequest(msg: Message): void {
    super.onUpdateRequest(msg);
    this.draw();
  }

  protected override onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this.node.addEventListener('scroll', this, { passive: true });
  }

  protected override onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._pin();
  }

  protected override onResize(msg: Widget.ResizeMessage): void {
    super.onResize(msg);
    this._pin();
  }

  protected override onBeforeDetach(msg: Message): void {
    this.node.removeEventListener('scroll', this);
    super.onBeforeDetach(msg);
  }

  private _make(block: IBlock): HTMLElement {
    const element = document.createElement('div');
    const text = document.createTextNode(block.text);
    element.className = 'jp-dllab-LogLines-block';
    // A guess at the height, until the browser has laid the block out.
    element.style.containIntrinsicSize = `auto ${block.text.split('\n').length}lh`;
    element.append(text);
    this._texts.set(block.id, text);
    return element;
  }

  /** Go to the end when it is followed; remember where we are. */
  private _pin(): void {
    if (this._follows) {
      this.node.scrollTop = this.node.scrollHeight;
    }
    this._top = this.node.scrollTop;
    this._height = this.node.scrollHeight;
  }

  private _follows = true;
  private _top = 0;
  private _height = 0;
  private readonly _texts = new Map<number, Text>();
}

/** Change a text node with as little as possible, so that a selection in it survives. */
function update(node: Text, text: string): void {
  if (text.startsWith(node.data)) {
    if (text.length > node.data.length) {
      node.appendData(text.slice(node.data.length));
    }
  } else {
    node.data = text;
  }
}
