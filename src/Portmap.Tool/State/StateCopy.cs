using Portmap.Tool.Output;

namespace Portmap.Tool.State;

/// <summary>A state file as a registry reads it that opens a copy of it.</summary>
/// <remarks>
/// The file itself is only read, so a daemon may go on writing it. What a daemon that starts on
/// this host now would make of it is what is shown: entries whose processes have gone are cooling.
/// </remarks>
internal sealed class StateCopy : IAsyncDisposable
{
    private const string FileName = "portmap.state";

    private const int BufferBytes = 81_920;

    /// <summary>What follows is about the file's place, which only its daemon cares for.</summary>
    private static readonly string[] s_aboutThePlace = [" What was confirmed before ", " It was left as it is.", " They were kept in ", " They were cut off."];

    private readonly DirectoryInfo _folder;
    private readonly PortRegistry _registry;
    private readonly string _original;

    private StateCopy(DirectoryInfo folder, PortRegistry registry, string original) => (_folder, _registry, _original) = (folder, registry, original);

    /// <summary>What stands in it.</summary>
    public PortSnapshot Snapshot => _registry.Snapshot();

    /// <summary>What of it could not be read.</summary>
    public IReadOnlyList<string> Unreadable =>
        [.. _registry.Diagnose().Where(finding => finding.Kind is PortFindingKind.StateUnreadable).Select(finding => Words.Of(OfOriginal(finding.Value, _folder, _original)))];

    /// <summary>Reads a state.</summary>
    /// <param name="path">The file, or its folder.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="FileFailedException">It is not there, or cannot be read.</exception>
    /// <exception cref="CopyFailedException">The copy cannot be made, or be read as a state.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not read it.</exception>
    /// <exception cref="PortRefusedException">It is no state that this version can
    /// read.</exception>
    public static async Task<StateCopy> OpenAsync(string path, CancellationToken cancellationToken)
    {
        bool isFolder = Directory.Exists(path);
        string original = Path.GetFullPath(isFolder ? Path.Combine(path, FileName) : path);
        await using FileStream from = FileFailedException.Try(() => OpenOriginal(original, isFolder ? path : null));
        try
        {
            return await CopyAsync(from, original, cancellationToken);
        }
        catch (PortRefusedException exception) when (exception.Refusal.Reason == PortRefusalReason.StoreFailed)
        {
            throw new CopyFailedException(original, Told(exception.Message), exception);   // nobody else writes the copy
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or (IOException and not FileFailedException))
        {
            throw new CopyFailedException(original, exception.Message, exception);
        }
    }

    private static async Task<StateCopy> CopyAsync(FileStream from, string original, CancellationToken cancellationToken)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("portmap-state-");
        try
        {
            await CopyFileAsync(from, Path.Combine(folder.FullName, FileName), cancellationToken);
            PortRegistryOptions options = new()
            {
                Ports = "1-65535",
                MaxOwners = 1_048_576,
                StateFolder = folder.FullName,
                Guard = PortGuardMode.None,
                Probe = false,
                VerifyListening = false,
            };
            return new StateCopy(folder, await PortRegistry.OpenAsync(options, cancellationToken: cancellationToken), original);
        }
        catch (PortRefusedException exception) when (exception.Refusal.Reason != PortRefusalReason.StoreFailed)
        {
            folder.Delete(recursive: true);
            throw new PortRefusedException(new PortRefusal(exception.Refusal.Reason, OfOriginal(exception.Message, folder, original)));
        }
        catch
        {
            folder.Delete(recursive: true);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _registry.DisposeAsync();
        try
        {
            _folder.Delete(recursive: true);
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or IOException)
        {
            throw new CopyFailedException(_original, exception.Message, exception);
        }
    }

    /// <summary>Opens the file. Nobody looks for it first: where this user may not enter the folder
    /// it seems not to be there.</summary>
    /// <param name="original">The file.</param>
    /// <param name="folder">The folder in which it is looked for; null when it was named itself.</param>
    private static FileStream OpenOriginal(string original, string? folder)
    {
        try
        {
            return new FileStream(original, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (FileNotFoundException) when (folder is not null)
        {
            throw new FileNotFoundException($"There is no state in the folder {folder}: it holds no file {FileName}.", original);
        }
    }

    /// <summary>Copies what stands in a file, and not who may write it: the copy is written.</summary>
    private static async Task CopyFileAsync(FileStream from, string copy, CancellationToken cancellationToken)
    {
        await using FileStream to = new(copy, FileMode.CreateNew, FileAccess.Write);
        byte[] buffer = new byte[BufferBytes];
        while (await ReadAsync(from, buffer, cancellationToken) is > 0 and int count)
        {
            await to.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
        }
    }

    private static async Task<int> ReadAsync(FileStream original, byte[] buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await original.ReadAsync(buffer, cancellationToken);
        }
        catch (IOException exception)
        {
            throw new FileFailedException(exception);
        }
    }

    /// <summary>What was said of the copy, as it is true of the file itself.</summary>
    private static string OfOriginal(string text, DirectoryInfo folder, string original) => Told(text
        .Replace(Path.Combine(folder.FullName, FileName), original, StringComparison.Ordinal)
        .Replace(folder.FullName, Path.GetDirectoryName(original), StringComparison.Ordinal));

    private static string Told(string text)
    {
        int end = s_aboutThePlace.Select(part => text.IndexOf(part, StringComparison.Ordinal)).Where(at => at >= 0).DefaultIfEmpty(text.Length).Min();
        return text[..end];
    }
}
