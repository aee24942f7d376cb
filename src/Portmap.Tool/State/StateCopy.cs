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

    /// <summary>What follows is about the file's place, which only its daemon cares for.</summary>
    private static readonly string[] s_aboutThePlace = [" It was left as it is.", " They were kept in ", " They were cut off."];

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
    /// <exception cref="FileFailedException">It is not there, or cannot be read, or the copy cannot
    /// be written.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not.</exception>
    /// <exception cref="PortRefusedException">It is no state that this version can
    /// read.</exception>
    public static async Task<StateCopy> OpenAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return await CopyAsync(path, cancellationToken);
        }
        catch (IOException exception)
        {
            throw new FileFailedException(exception);
        }
        catch (PortRefusedException exception) when (exception.Refusal.Reason == PortRefusalReason.StoreFailed)
        {
            throw new FileFailedException(exception);   // nobody else writes the copy
        }
    }

    private static async Task<StateCopy> CopyAsync(string path, CancellationToken cancellationToken)
    {
        bool isFolder = Directory.Exists(path);
        string original = Path.GetFullPath(isFolder ? Path.Combine(path, FileName) : path);
        if (isFolder && !File.Exists(original))
        {
            throw new FileNotFoundException($"There is no state in the folder {path}: it holds no file {FileName}.", original);
        }

        DirectoryInfo folder = Directory.CreateTempSubdirectory("portmap-state-");
        try
        {
            await CopyFileAsync(original, Path.Combine(folder.FullName, FileName), cancellationToken);
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
        catch (PortRefusedException exception)
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
        FileFailedException.Try(() =>
        {
            _folder.Delete(recursive: true);
            return true;
        });
    }

    /// <summary>Copies what stands in a file, and not who may write it: the copy is written.</summary>
    private static async Task CopyFileAsync(string original, string copy, CancellationToken cancellationToken)
    {
        await using FileStream from = new(original, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        await using FileStream to = new(copy, FileMode.CreateNew, FileAccess.Write);
        await from.CopyToAsync(to, cancellationToken);
    }

    /// <summary>What was said of the copy, as it is true of the file itself.</summary>
    private static string OfOriginal(string text, DirectoryInfo folder, string original)
    {
        string named = text
            .Replace(Path.Combine(folder.FullName, FileName), original, StringComparison.Ordinal)
            .Replace(folder.FullName, Path.GetDirectoryName(original), StringComparison.Ordinal);
        int end = s_aboutThePlace.Select(part => named.IndexOf(part, StringComparison.Ordinal)).Where(at => at >= 0).DefaultIfEmpty(named.Length).Min();
        return named[..end];
    }
}
