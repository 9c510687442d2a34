import { LabError } from '../errors';

/** What a path that is typed may go on with: directories, and files of one kind. */
export class Suggestions {
  /**
   * @param _list Names in a directory of the lab; those of directories end with a slash.
   * @param _fits Matches the names of the files.
   */
  constructor(
    private readonly _list: (directory: string) => Promise<readonly string[]>,
    private readonly _fits: RegExp
  ) {}

  paths: readonly string[] = [];

  /** List what lies beside the path; resolves to whether `paths` is new. */
  async look(path: string): Promise<boolean> {
    const directory = path.slice(0, path.lastIndexOf('/') + 1);
    if (directory === this._directory) {
      return false;
    }
    this._directory = directory;
    let names: readonly string[] = [];
    try {
      names = await this._list(directory);
    } catch (reason) {
      // A directory that is typed halfway is none: there is nothing to suggest.
      if (!(reason instanceof LabError)) {
        throw reason;
      }
    }
    if (directory !== this._directory) {
      return false;
    }
    this.paths = names
      .filter(name => name.endsWith('/') || this._fits.test(name))
      .map(name => directory + name);
    return true;
  }

  private _directory: string | null = null;
}
