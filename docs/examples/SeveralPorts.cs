using Portmap.Rpc;

namespace Examples;

/// <summary>A worker with two ports, each with an owner of its own.</summary>
public static class SeveralPorts
{
    public static async Task<(WorkerPort Main, WorkerPort Admin)> ListenAsync()
    {
        WorkerPort main = await WorkerPort.ListenAsync();
        WorkerPort admin = await WorkerPort.ListenAsync(new WorkerPortOptions
        {
            Owner = $"{main.Owner}/admin",
            Port = 0,                        // not the port of the environment
            Epoch = 0,                       // nobody acquired this one
        });
        return (main, admin);
    }
}
