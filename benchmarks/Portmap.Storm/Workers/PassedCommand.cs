namespace Portmap.Storm.Workers;

/// <summary>A server that is started with its socket, as systemd starts one.</summary>
internal static class PassedCommand
{
    public const string Verb = "passed";

    public static async Task<int> RunAsync()
    {
        await using Serving serving = Serving.OnPassedSocket();
        await Console.In.ReadToEndAsync();   // the storm's own, in which nobody writes: it ends with the storm
        return ExitCode.Success;
    }
}
