using System.Buffers;
using System.Globalization;

namespace Portmap.Persistence;

/// <summary>
/// Reads the file of a state when it is opened, and says in words what could not be read.
/// </summary>
/// <remarks>What is damaged is kept in a file of its own, before anything is changed.</remarks>
internal sealed class StateReader(HeldFolder folder)
{
    private string FilePath => Path.Combine(folder.Path, FilePortStore.FileName);

    /// <summary>Reads a whole file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="facts">What is told in it is applied here.</param>
    /// <param name="complaints">What could not be read is added here.</param>
    /// <param name="cancellationToken">Gives up between two parts.</param>
    /// <exception cref="PortRefusedException">It is of a newer version, or no state.</exception>
    public StateScan Read(
        IStateFile file, PortFactSet facts, List<string> complaints, CancellationToken cancellationToken)
    {
        var scan = StateScan.Read(file, facts, cancellationToken);
        if (scan.FileVersion > StateScan.Version)
        {
            StoreRefusals.NewerVersion(FilePath, scan.FileVersion, StateScan.Version).Throw();
        }

        if (scan.Length > 0 && !scan.IsState)
        {
            StoreRefusals.NotAState(FilePath).Throw();
        }

        if (scan.Length == 0)
        {
            complaints.Add($"{FilePath} was empty, without even the line that a new one has: whatever was in it is lost.");
        }

        if (scan.TornBytes > 0)
        {
            complaints.Add(Text(
                $"The last {scan.TornBytes} bytes of {FilePath}, from {scan.Length - scan.TornBytes} on, are no whole line: a change that was being written and was never confirmed. They were cut off."));
        }

        if (scan.LostBreaks > 0)
        {
            complaints.Add(Text(
                $"{scan.LostBreaks} line break{(scan.LostBreaks == 1 ? "" : "s")} of {FilePath} got lost. No fact did: the lines were told apart by their marks."));
        }

        if (scan.Damages.Count > 0)
        {
            string kept = KeepAside(scan.Damages);
            complaints.AddRange(scan.Damages.Select(damage => Text(
                $"{damage.Bytes.WrittenCount} bytes of {FilePath}, from {damage.Offset} on, are damaged and could not be read. They were kept in {kept}; all other facts were recovered.")));
        }

        return scan;
    }

    /// <summary>Syncs what was read: it must not vanish later.</summary>
    /// <remarks>
    /// Who wrote the file may not have synced it (a copy). This says enough only of a file that no
    /// sync has failed before: see <see cref="SettledMark"/>.
    /// </remarks>
    /// <returns>
    /// False when the file lies where it cannot be kept, though it could be read.
    /// </returns>
    public bool TrySync(IStateFile file)
    {
        try
        {
            file.Sync();
            folder.Sync();
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Writes the damaged parts to a file of their own, named by their checksum: an opening
    /// that is tried again and again keeps them once.</summary>
    private string KeepAside(IReadOnlyList<StateScan.Damage> damages)
    {
        ArrayBufferWriter<byte> parts = new();
        foreach (StateScan.Damage damage in damages)
        {
            parts.Write(damage.Bytes.WrittenSpan);
        }

        string name = Text($"{FilePortStore.FileName}.damaged-{Crc32C.Of(parts.WrittenSpan):x8}");
        while (folder.Open(name) is { } earlier)
        {
            using IStateFile disposal = earlier;
            if (Holds(earlier, parts.WrittenSpan))
            {
                earlier.Sync();
                folder.Sync();
                return Path.Combine(folder.Path, name);
            }

            name += "+";
        }

        IStateFile? file = null;
        try
        {
            file = folder.Create(name);
            file.Write(parts.WrittenSpan, 0);
            file.Sync();
            folder.Sync();
            file.Dispose();
        }
        catch
        {
            folder.GiveUp(file, name);   // half of it is of no use, and the whole is where it was
            throw;
        }

        return Path.Combine(folder.Path, name);
    }

    private static bool Holds(IStateFile file, ReadOnlySpan<byte> content)
    {
        if (file.Length != content.Length)
        {
            return false;
        }

        byte[] found = new byte[content.Length];
        int length = 0;
        while (length < found.Length && file.Read(found.AsSpan(length), length) is > 0 and int read)
        {
            length += read;
        }

        return content.SequenceEqual(found.AsSpan(0, length));
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
