namespace Portmap.Persistence;

/// <summary>
/// The few things <see cref="FilePortStore"/> does to its folder, so that tests can make each of
/// them fail, tear and lose what was not synced.
/// </summary>
/// <remarks>
/// Everything throws IOException or UnauthorizedAccessException when it fails, and may have
/// happened all the same. What a crash of the host leaves of a folder is told by
/// <see cref="Sync"/>: names that were not synced may be the new or the old ones.
/// </remarks>
internal interface IStateFolder : IDisposable
{
    /// <summary>Where it is, for messages.</summary>
    string Path { get; }

    /// <summary>
    /// Makes the folder if there is none, checks whose it is, and takes it for this store until it
    /// is disposed or the process ends.
    /// </summary>
    /// <exception cref="PortRefusedException">
    /// Another store has it, or it cannot be trusted.
    /// </exception>
    void Take();

    /// <summary>Opens a file for reading and writing; null when there is none.</summary>
    IStateFile? Open(string name);

    /// <summary>Makes an empty file, in the place of one of that name.</summary>
    IStateFile Create(string name);

    /// <summary>Gives a file a name, and takes it from the file that has it, in one step.</summary>
    void Rename(string from, string to);

    /// <summary>Deletes a file, if there is one of that name.</summary>
    void Delete(string name);

    /// <summary>Makes the names durable.</summary>
    void Sync();
}
