namespace Portmap.Persistence;

/// <summary>
/// The file by which a store that was closed tells the next one that no sync had failed it.
/// </summary>
/// <remarks>
/// After a failed sync the kernel takes for written what is not, and a later sync succeeds over
/// nothing. That outlives the process, so whoever opens the state must know. A process that was
/// killed tells nothing. So the mark stands for the good case, and its absence for the doubt. It
/// need not be durable: a power loss leaves nothing in memory, so what is read after it is what is
/// on the disk, whether the mark came back or not.
/// </remarks>
internal static class SettledMark
{
    public const string Name = "portmap.settled";

    /// <summary>Takes the mark away.</summary>
    /// <remarks>From here on the state is in doubt until it is closed again.</remarks>
    /// <returns>Whether it was there.</returns>
    public static bool TakeFrom(IStateFolder folder)
    {
        using IStateFile? mark = folder.Open(Name);
        folder.Delete(Name);
        return mark is not null;
    }

    /// <summary>Leaves the mark beside a file.</summary>
    /// <remarks>If that fails, the next opening only writes more than it needs to.</remarks>
    /// <param name="folder">The folder.</param>
    /// <param name="file">
    /// The file it speaks for; synced once more, which fails when it is no longer the one of the
    /// folder.
    /// </param>
    public static void LeaveIn(IStateFolder folder, IStateFile file)
    {
        try
        {
            file.Sync();
            folder.Create(Name).Dispose();
        }
        catch (Exception)
        {
            // In doubt, then. Whoever closes must come to its end.
        }
    }
}
