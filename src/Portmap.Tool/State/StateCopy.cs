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

    private readonly DirectoryInfo _folder;
    private readonly PortRegistry _registry;
    private readonly string _original;

    private StateCopy(DirectoryInfo folder, PortRegistry registry, string original) => (_folder, _registry, _original) = (folder, registry, original);

    /// <summary>What stands in it.</summary>
    public PortSnapshot Snapshot => _registry.Snapshot();

    /// <summary>What of it could not be read.</summary>
    public IReadOnlyList<string> Unreadable =>
        [.. _registry.Diagnose().Where(finding => finding.Kind is PortFindingKind.StateUnreadable).Select(finding => Rename(finding.Value))];

    /// <summary>Reads a state.</summary>
    /// <param name="path">The file, or its folder.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="IOException">It is not there, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not.</exception>
    /// <exception cref="PortRefusedException">It is no state that this version can
    /// read.</exception>
    public static async Task<StateCopy> OpenAsync(string path, CancellationToken cancellationToken)
    {
        string original = Path.GetFullPath(Directory.Exists(path) ? Path.Combine(path, FileName) : path);
        DirectoryInfo folder = Directory.CreateTempSubdirectory("portmap-state-");
        try
        {
            File.Copy(original, Path.Combine(folder.FullName, FileName));
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
            string message = exception.Message.Replace(folder.FullName, Path.GetDirectoryName(original), StringComparison.Ordinal);
            throw new PortRefusedException(new PortRefusal(exception.Refusal.Reason, message));
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
        _folder.Delete(recursive: true);
    }

    private string Rename(string text) =>
        text.Replace(Path.Combine(_folder.FullName, FileName), _original, StringComparison.Ordinal) is var named && named.IndexOf(" They were kept in ", StringComparison.Ordinal) is >= 0 and var end
            ? named[..end]   // in the copy, which is gone when this is read
            : Words.Of(text);
}
