using System.Diagnostics;

namespace Portmap.Storm;

/// <summary>A child that was passed its socket: it has the streams of this process, so it is killed
/// instead of told.</summary>
internal sealed class PassedProcess(Process process) : IChild
{
    public int Id { get; } = process.Id;

    public async ValueTask DisposeAsync()
    {
        process.Kill();
        await process.WaitForExitAsync().WaitAsync(LineProcess.Limit);
        process.Dispose();
    }
}
