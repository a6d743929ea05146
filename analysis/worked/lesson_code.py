"""The lesson's own few lines, rewritten so that they run today. A test runs them all.

Each is a script of its own, but for those that go on where `NETWORK` ends.
"""

from harness.core.language import _

LOSSES = """\
import torch
from torch.nn import functional as F

z, y = torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0])
sigma = F.softmax(z, dim=1)
print(-torch.log(sigma[0, y]), F.cross_entropy(z, y))"""

FIRST_STEP = """\
import numpy as np

A, g, eta = np.array([10, 7.5]), np.array([5, 5]), 1
print(np.linalg.norm(g), A - eta * g)"""

SURFACE = """\
import numpy as np
from ipywidgets import fixed, interact
from matplotlib import pyplot as plt

w1, w2 = np.meshgrid(np.arange(-10, 10, 0.05), np.arange(-10, 10, 0.05))
loss = (2 - w1 - w2) ** 2 + (4 - 3 * w1 - w2) ** 2

def plot(w1, w2, loss, elev, azim):
    axes = plt.figure().add_subplot(projection="3d")
    axes.plot_surface(w1, w2, loss, cmap="rainbow")
    axes.view_init(elev=elev, azim=azim)

interact(plot, w1=fixed(w1), w2=fixed(w2), loss=fixed(loss), elev=(0, 90), azim=(-180, 180))"""

CHAIN_RULE = """\
import torch

X, y = torch.rand(50, 4), torch.randint(0, 2, (50, 1)).float()
w = torch.rand(4, 1, requires_grad=True)
sigma = torch.sigmoid(X @ w)
loss = -(y * torch.log(sigma) + (1 - y) * torch.log(1 - sigma)).sum()
loss.backward()
print(torch.allclose(w.grad, X.T @ (sigma - y), rtol=1e-3, atol=1e-3))"""

NETWORK = """\
import torch
from torch import nn, optim

x = torch.tensor(1.0, requires_grad=True)
print(torch.autograd.grad(x ** 2, x))

class Model(nn.Module):
    def __init__(self, in_features=20, out_features=3):
        super().__init__()
        self.linear1 = nn.Linear(in_features, 13)
        self.linear2 = nn.Linear(13, 8)
        self.output = nn.Linear(8, out_features)

    def forward(self, x):
        return self.output(torch.sigmoid(self.linear2(torch.relu(self.linear1(x)))))

torch.manual_seed(420)
X, y = torch.rand((500, 20)) * 100, torch.randint(0, 3, (500, 1)).float()
torch.manual_seed(420)
net, criterion = Model(), nn.CrossEntropyLoss()
loss = criterion(net(X), y.reshape(500).long())

print(loss.item(), net.linear1.weight.grad)
loss.backward(retain_graph=True)
print(net.linear1.weight.grad.shape)

loss.backward()
net.zero_grad()
criterion(net(X), y.reshape(500).long()).backward()"""

ONE_STEP = """\
lr = 10
for layer in (net.linear1, net.linear2, net.output):
    dw, w = layer.weight.grad, layer.weight.data
    w -= lr * dw"""

MOMENTUM_BY_HAND = """\
lr, gamma = 0.1, 0.9
dw, w = net.linear1.weight.grad, net.linear1.weight.data
v = torch.zeros_like(w)

v = gamma * v - lr * dw
w += v"""

MOMENTUM = """\
opt = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
opt.zero_grad()
for _ in range(10):
    loss = criterion(net(X), y.reshape(500).long())
    loss.backward()
    opt.step()
    opt.zero_grad()
    print(loss.item())"""

LOADERS = """\
import pandas as pd
import torch
from sklearn.datasets import load_breast_cancer
from torch.utils.data import DataLoader, TensorDataset

X, y = torch.rand(50000, 20) * 100, torch.randint(0, 3, (50000, 1))
batchdata = DataLoader(TensorDataset(X, y), batch_size=4000, shuffle=True, drop_last=False)
for epoch in range(4):
    for batch_idx, (x, target) in enumerate(batchdata):
        if batch_idx == 2:
            break
print(len(batchdata), len(batchdata.dataset), batchdata.batch_size, batchdata.dataset[0][0].dtype)

data = load_breast_cancer()
X, y = torch.tensor(data.data), torch.tensor(data.target)
batchdata = DataLoader(TensorDataset(X, y), batch_size=5, shuffle=True)

data = pd.read_csv("data.csv")
X, y = torch.tensor(data.iloc[:, :-1].to_numpy()), torch.tensor(data.iloc[:, -1].to_numpy())
batchdata = DataLoader(TensorDataset(X, y), batch_size=1000, shuffle=True)"""

IMAGES = """\
import torchvision
from matplotlib import pyplot as plt
from torchvision import transforms

mnist = torchvision.datasets.FashionMNIST(root="data", train=True, download=True, transform=transforms.ToTensor())
print(len(mnist), mnist.data.shape, mnist.targets, mnist.classes)
plt.imshow(mnist[0][0].view(28, 28).numpy())
input_, output_ = mnist.data[0].numel(), len(mnist.targets.unique())"""


TRAINING = """\
import torch
from torch import nn, optim
from torch.utils.data import DataLoader

class Model(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        # self.normalize = nn.BatchNorm2d(1)
        self.linear1 = nn.Linear(in_features, 128, bias=False)
        self.output = nn.Linear(128, out_features, bias=False)

    def forward(self, x):
        # x = self.normalize(x)
        sigma1 = torch.relu(self.linear1(x.view(len(x), -1)))
        return torch.log_softmax(self.output(sigma1), dim=1)

def fit(net, batchdata, lr, epochs, gamma):
    criterion, opt = nn.NLLLoss(), optim.SGD(net.parameters(), lr=lr, momentum=gamma)
    correct = samples = 0
    for epoch in range(epochs):
        for batch_idx, (x, y) in enumerate(batchdata):
            sigma = net(x)
            loss = criterion(sigma, y)
            loss.backward()
            opt.step()
            opt.zero_grad()
            correct += int((sigma.argmax(dim=1) == y).sum())
            samples += len(y)
            if (batch_idx + 1) % 125 == 0 or batch_idx + 1 == len(batchdata):
                print(f"epoch {epoch + 1}: {samples} of {epochs * len(batchdata.dataset)}",
                      f"loss {loss.item():.4f}, accuracy {correct / samples:.2%}")

lr, gamma, epochs, bs = 0.15, 0, 10, 128
batchdata = DataLoader(mnist, batch_size=bs, shuffle=True)
torch.manual_seed(420)
net = Model(input_, output_)
fit(net, batchdata, lr, epochs, gamma)"""

AFTER_NETWORK = (ONE_STEP, MOMENTUM_BY_HAND, MOMENTUM)


def after_network(code: str) -> str:
    """A script that goes on where `NETWORK` ends, with a first line that says so."""
    return "\n".join([_("# run the code of §2.2 anew before it"), code])
